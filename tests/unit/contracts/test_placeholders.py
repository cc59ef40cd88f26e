"""Nobody's values in whatever spelling, and people who only look a little like them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts import normal_form
from shared.contracts.identity import Namespace
from shared.contracts.placeholders import MEANS_NOBODY, is_nobodys_email, is_placeholder


def values(table: str) -> list[str]:
    """Those of a table, between which stand at least two spaces, or a new line."""
    return [value for value in re.split(r" {2,}|\n", table) if value]


NOBODY = values(
    """
    null  NULL  Nil  none  undefined  unknown  anonymous  guest  n/a  N/A  na  -  0  -1  0000  true  false  NaN
    [object Object]  [object Promise]  00000000-0000-0000-0000-000000000000  0-0  --  ???  ...  ***  0.0  Infinity
    ffffffff-ffff-ffff-ffff-ffffffffffff  FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF  #N/A  Array
    (not set)  not set  not_set  (none)  (null)  <null>  <nil>  (direct)  (not provided)
    not_authenticated  NOT_AUTHENTICATED  notAuthenticated  not-authenticated  not authenticated
    not_logged_in  not-logged-in  notLoggedIn  Not Logged In  logged_out  anonymousUser  anonymous_user  guest-user
    distinct_id  distinctId  $distinct_id  user_id  userId  USER_ID  userid  id  uid  email  Email  phone  customerId
    {{user.id}}  {{ user.id }}  {{customer.email | default: ""}}  {% user.id %}  <%= user.id %>  ${userId}  ${user.id}
    $userId  %USER_ID%  %user_id%  %%user_id%%  <user_id>  <YOUR_USER_ID>  [user_id]  {user_id}  {userId}  {0}
    {{user.id  ${user  {!Contact.Id}  {$user_id}  @{user.id}  %(user_id)s  <?= $id ?>  $USER_ID$  [%user_id%]  $[user]
    #{user.id}  *|EMAIL|*  ##user_id##  [[user.id]]  $(user_id)  @user_id  :user_id  __USER_ID__  %s  %d  %1$s  $1  :1
    []  {}  ()  <>  ""  ''  ``  [ ]  { }  "null"  'undefined'  “null”
    function () { return id }  [Function: getId]  Promise { <pending> }  Optional(nil)  java.lang.Object@1b6d3586
    user_null  user:undefined  customer-none  user_id:null  id_undefined  undefined undefined  null-null
    未登录  游客  匿名用户  未知  unbekannt  Gast  invité
    """
)

SOMEBODY = values(
    """
    1  42  00001  10  a  b  ann  Anna  Nana  nanette  nan.li  n.an  na-na  Nan Li  null-island  nullable  Nulla
    guest42  guest-42  user42  user_42  user-7f3a  id-42  id42  uid:42  email:42  visitor-9  anon-5d1  anonymous-5d1c
    3f2504e0-4f89-11d3-9a0c-0305e82c3301  {3F2504E0-4F89-11D3-9A0C-0305E82C3301}  {F2504E0A-4F89-11D3-9A0C-0305E82C3301}
    11111111-1111-1111-1111-111111111111  ffffffff  ffffffff-0000-4000-8000-000000000000  0x0  00000000000000000001
    $device:18c0-5f2  $RCAnonymousID:87c6049c58069238dce29853916d624c  $ann  GA1.2.1234567890.1700000000
    auth0|507f1f77bcf86cd799439011  google-oauth2|103547991597142817347  gid://shopify/Customer/42  cus_9s6XKzkNRiz8i3
    amzn1.account.AF2M0KC94RCEA  urn:uuid:3f2504e0  did:plc:z72i7hdynmk6r22z27h6tvur  5.2E+12  [42]  (42)  <42>  {42}
    李雷  韩梅梅  王伟  无忌  空山  匿名者李  Ünal  Łukasz  محمد  Ольга  田中  O'Neill  d'Arc  Jean-Luc  van der Berg
    ann@example.com  nobody@example.com  bW9qaQ==  abc/def=+  true-north  falsetto  tester  demo  admin  root
    user_named_ann  customer_first  my_email  emailer  identity  idris  uidaho  notary  notset42  no1  noor  arraya
    """
)

NOBODYS_MAIL = values(
    """
    noemail@example.com  no-email@example.com  no_email@example.com  noemail42@example.com  nomail@example.com
    no.mail@example.com  NoEmail@Example.com  noemail+42@example.com  noreply@example.com  no-reply@example.com
    no_reply-42@example.com  donotreply@example.com  do-not-reply@example.com  null@example.com  undefined@example.com
    unknown@example.com  not-provided@example.com  test@test.com  Test@Example.com  a@a.com  none@none.com
    ann@noemail.com  ann@no-email.com  mailer-daemon@example.com  {{email}}@example.com  user_id@example.com
    email  null  (not set)  {{user.email}}  -
    """
)
SOMEBODYS_MAIL = values(
    """
    ann@example.com  nan@example.com  na@example.com  noel@example.com  no@example.com  nomailer@example.com
    nil@example.com  noone@example.com
    user.name@example.com  e-mail@ann.example  n.an@example.com  my.id@example.com
    noemi@example.com  noreen@example.com  test@shop.example  test.anna@example.com  guest@hotel.example
    info@example.com  42@example.com  0@example.com  email@ann.example  mail@ann.example  none@example.com
    nullmann@example.com  unknown.pleasures@example.com  user42@example.com  李雷@例子.example  a@b.example
    """
)

NOBODYS_PHONE = values(
    "0000000000  000-000-0000  1234567890  123-456-7890  +1 111 111 1111  9999999999  null  n/a  -  +0  11999999999"
)
SOMEBODYS_PHONE = values(
    "+8613800138000  (212) 555-0147  +49 30 901820  +86 138 8888 0000  +4521212121  +1 212 555 0000  +86 188 8888 8866"
)


@pytest.mark.parametrize("value", NOBODY)
def test_what_systems_send_for_nobody_is_nobodys_user_id_and_nobodys_anonymous_id(value: str) -> None:
    for namespace in (Namespace.USER_ID, Namespace.ANONYMOUS_ID):
        assert MEANS_NOBODY[namespace](value)
        assert normal_form.of(namespace, f" {value} ") is None


@pytest.mark.parametrize("value", SOMEBODY)
def test_what_only_looks_a_little_like_it_is_somebodys(value: str) -> None:
    assert not is_placeholder(value)
    assert normal_form.own_id(value) is not None


@pytest.mark.parametrize("value", NOBODYS_MAIL)
def test_an_address_that_stands_for_none_is_nobodys(value: str) -> None:
    assert is_nobodys_email(value)
    assert normal_form.email(value) is None


@pytest.mark.parametrize("value", SOMEBODYS_MAIL)
def test_an_address_of_a_person_is_theirs(value: str) -> None:
    assert not is_nobodys_email(value)
    assert normal_form.email(value) == value.lower()


@pytest.mark.parametrize("value", NOBODYS_PHONE)
@pytest.mark.parametrize("country", [None, "US", "BR", "DK"])
def test_a_number_that_people_type_to_get_past_a_form_is_nobodys(value: str, country: str | None) -> None:
    assert MEANS_NOBODY[Namespace.PHONE](value)
    assert normal_form.phone(value, country) is None


@pytest.mark.parametrize("value", SOMEBODYS_PHONE)
def test_a_number_with_many_equal_digits_may_be_somebodys(value: str) -> None:
    assert not MEANS_NOBODY[Namespace.PHONE](value)
    assert normal_form.phone(value, "US") is not None


@given(value=st.sampled_from(NOBODY), around=st.sampled_from(["", " ", "\t", " \n"]))
def test_neither_capitals_nor_spaces_nor_quotes_make_somebody_of_nobody(value: str, around: str) -> None:
    for spelt in (value.upper(), value.lower(), value.title(), f'"{value}"', f"'{value}'"):
        assert is_placeholder(f"{around}{spelt}{around}")


@given(
    value=st.one_of(
        st.uuids().map(str),
        st.uuids().map(lambda one: one.hex),
        st.uuids().map(lambda one: f"{{{str(one).upper()}}}"),
        st.integers(1, 10**18).map(str),
        st.from_regex(r"[a-z]{2,8}[._-]?[0-9]{1,9}", fullmatch=True),
        st.from_regex(r"[\u4e00-\u9fa5]{2,4}\d", fullmatch=True),
        st.from_regex(r"[A-Za-z0-9+/]{20,40}={0,2}", fullmatch=True),
    )
)
def test_no_id_that_a_system_counts_or_draws_is_a_placeholder(value: str) -> None:
    assert not is_placeholder(value) or not set(value) - set("0-{}fF=+/")  # of nothing but zeros and signs


@given(st.text(max_size=300))
def test_any_text_whatsoever_is_judged(value: str) -> None:
    for means_nobody in MEANS_NOBODY.values():
        assert means_nobody(value) in (True, False)
