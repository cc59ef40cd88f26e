"""Values that systems send in place of an identity: they mean nobody, and linking on one would merge strangers.

Each namespace has tables of two kinds. A *word* means nobody if it is the whole value. A *shape* is how a value looks
that some program failed to fill in: a template that nobody rendered, a variable's name, an object that was printed.
All are data: what another sender makes up is added here, with an example in the tests of this module.

A word of several parts is found with any separators between them, or none: `not logged in` is `not_logged_in`,
`Not-Logged-In` and `notLoggedIn`. A word of one part is found only as it is: `nan` is not `n.an`, who may be a person.
Capitals never matter. Why the tables are as narrow as they are: docs/decisions/0048-who-is-nobody.md.
"""

import re
import string
from collections.abc import Callable, Mapping
from typing import Final

from shared.contracts.identity import Namespace

# What programs and spreadsheets write if there is no value.
_NO_VALUE: Final = """
    null, nil, none, array, undefined, void, unknown, missing, empty, blank, default, invalid, true, false, nan,
    infinity, n/a, na, #n/a, #ref!, #value!, #name?, #null!, -1, no value, no data, not set, not available,
    not applicable, not provided, not found, not defined, not known, not specified, data not available,
    undefined undefined, null null, none none, null undefined, ffffffff-ffff-ffff-ffff-ffffffffffff
"""

# What stands for a person whom the sender does not know.
_NO_PERSON: Final = """
    anonymous, anon, anonym, guest, visitor, nobody, unauthenticated, unauthorized, unidentified, unregistered,
    not authenticated, not logged in, not signed in, not identified, not registered, logged out, signed out, opted out,
    opt out, anonymous user, anon user, guest user, unknown user, unnamed user, default user, null user, undefined user,
    no user, no user id, no id, no customer, guest customer, anonymous customer, unknown customer, guest checkout,
    gast, unbekannt, nicht angemeldet, invité, inconnu, anonyme, non connecté, invitado, desconocido, anónimo, гость,
    游客, 访客, 匿名, 匿名用户, 未知, 未知用户, 未登录, 未登陆, 未注册, 未设置, 无, 暂无, 不详, ゲスト, 未ログイン
"""

# The names of fields, which are sent if somebody took the name for the value.
_FIELD_NAME: Final = """
    id, uid, uuid, guid, user, username, email, mail, phone, mobile, telephone, user id, user uuid, user name,
    user email, user phone, distinct id, anonymous id, anon id, customer id, client id, visitor id, member id,
    account id, contact id, person id, profile id, external id, subscriber id, device id, session id, cookie id,
    email address, e mail, phone number, mobile number, your user id, your id, your email, current user id
"""

# Of a mail address: what stands before the @, without what follows a +.
_MAILBOX: Final = """
    null, undefined, unknown, nobody, no email, no mail, no e mail, no email address, no address, no reply,
    do not reply, not provided, not available, not applicable, notanemail, keine email, keine mail, pas de mail,
    sin email, sin correo, without email, unknown email, fake email, dummy email, placeholder email, mailer daemon,
    user id, user email, your email, your name
"""

# Of a mail address: what stands after the @.
_MAIL_DOMAIN: Final = """
    noemail.com, noemail.org, noemail.net, no-email.com, nomail.com, nomail.net, no-mail.com, no.email, undefined.com,
    notprovided.com, donotreply.com, noreply.com
"""

# Whole addresses: examples from forms, and what people type to get past one.
_MAIL_ADDRESS: Final = """
    test@test.com, test@test.de, test@test.cn, test@testing.com, test@example.com, test@email.com, test@mail.com,
    test@gmail.com, test@domain.com, tester@test.com, email@example.com, email@email.com, email@domain.com,
    mail@example.com, mail@mail.com, name@example.com, name@domain.com, your@email.com, you@example.com, you@email.com,
    user@example.com, user@email.com, user@domain.com, username@example.com, someone@example.com, example@example.com,
    example@email.com, example@gmail.com, none@none.com, none@email.com, none@gmail.com, na@na.com, no@no.com,
    no@email.com, no@mail.com, a@a.com, a@b.com, a@b.c, aa@aa.com, aaa@aaa.com, abc@abc.com, x@x.com, xx@xx.com,
    xxx@xxx.com, asd@asd.com, asdf@asdf.com, qwe@qwe.com, qwerty@qwerty.com, 123@123.com, anonymous@anonymous.com,
    anonymous@example.com, guest@guest.com, guest@example.com
"""

# Of a telephone number: its digits as they were written, without what stands between them.
_DIGITS: Final = """
    1234567, 12345678, 123456789, 1234567890, 0123456789, 12345678910, 12345678901, 87654321, 987654321, 9876543210
"""

_NAME: Final = r"[a-z_][a-z_.\s-]*"  # of a variable, or what else stands between brackets; no digits
_GUID: Final = re.compile(r"\{[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}")  # as Windows writes one

# Of any identity, in small letters. Nearly every id begins with a letter or a digit, so those are looked at apart.
_SHAPES_OF_SIGNS: Final = {
    "a template that nobody rendered": re.compile(
        # What begins so is a template, though it was cut off: no system makes ids like that.
        r"(?:\{\{|\{%|\{!|\{\$|<%|<\?|\$\{|\$\[|\$\(|#\{|@\{|%\(|%\{|\[\[|\[%|\*\||%%|@@|##).*"
        rf"|\{{\s*(?:{_NAME}|\d)?\s*\}}|\[\s*(?:{_NAME})?\]|<\s*(?:{_NAME})?>|\(\s*(?:{_NAME})?\)|%{_NAME}%|\${_NAME}\$",
        re.DOTALL,
    ),
    "a placeholder of a format": re.compile(r"%[sdiu@]|%\d\$s|\$\d|:\d"),
    "a variable that was not replaced": re.compile(
        r"(?:\$|@|:|#|%|__)(?:user|customer|client|visitor|member|account|contact|person|profile|distinct|anonymous)"
        r"[._-]?(?:id|uuid|email|phone|name)?(?:__)?"
    ),
    "an object that was printed": re.compile(r"\[object .*\]|\[function.*\]|<promise>|\[native code\]", re.DOTALL),
}
_SHAPES_OF_LETTERS: Final = {
    "an object that was printed": re.compile(
        r"function\s*\(.*|promise\s*\{.*\}|optional\(nil\)|symbol\(.*\)|java\.lang\.object@[0-9a-f]+|system\.object",
        re.DOTALL,
    ),
    "nothing, after a prefix": re.compile(
        r"(?:user|customer|client|visitor|member|account|contact|person|profile|anon|anonymous|guest|id|uid|user[._-]?id"
        r"|customer[._-]?id)[._:/-](?:null|nil|none|undefined|nan)"
    ),
}
_NOTHING: Final = ("null", "nil", "none", "undefined", "nan")
_PRINTED: Final = ("function", "promise", "optional", "symbol", "java.", "system.")
_NO: Final = ("no", "do")  # with which those begin
_NO_MAILBOX: Final = re.compile(
    r"no[._-]?(?:e[._-]?)?mail[._-]?\d*|no[._-]?reply[._-]?.*|do[._-]?not[._-]?reply[._-]?.*"
)
EQUAL_DIGITS: Final = 9  # at the end of a telephone number; or all of them, if it is shorter
MAX_WORD: Final = 40  # characters, with what stands between its parts
_QUOTES: Final = "\"'`“”‘’"
_PUNCTUATION: Final = string.punctuation + string.whitespace + "0–—·…？！、。"  # with which a nought means as little


def _without_separators(word: str) -> str:
    return word.replace("_", "").replace("-", "").replace(" ", "").replace(".", "").replace("/", "")


def _of_several_parts(*tables: str) -> list[str]:
    return [word for table in tables for word in table.split(",") if " " in word.strip()]


class Words:
    """The words of some tables, found in any spelling."""

    def __init__(self, *tables: str) -> None:
        words = {" ".join(word.split()) for table in tables for word in table.split(",")}
        self.plain: frozenset[str] = frozenset(words)
        self._joined = frozenset(_without_separators(word) for word in words if " " in word)
        self._all = self.plain | self._joined

    def __contains__(self, folded: str) -> bool:
        """Returns whether a text in small letters is one of them."""
        if folded in self._all:
            return True
        return not folded.isalnum() and len(folded) <= MAX_WORD and _without_separators(folded) in self._joined


WORDS: Final = Words(_NO_VALUE, _NO_PERSON, _FIELD_NAME)
MAILBOXES: Final = Words(_MAILBOX)
MAILBOXES_OF_PARTS: Final = Words(_MAILBOX, *_of_several_parts(_NO_VALUE, _NO_PERSON))
MAIL_DOMAINS: Final = Words(_MAIL_DOMAIN)
MAIL_ADDRESSES: Final = Words(_MAIL_ADDRESS)
DIGITS: Final = Words(_DIGITS)


def is_placeholder(value: str) -> bool:
    """Returns whether a value of any namespace is one of those that systems send if they know nobody."""
    folded = value.strip().strip(_QUOTES).strip().casefold()
    if folded in WORDS or not folded.strip(_PUNCTUATION):
        return True
    if folded.isalnum():  # as nearly every id: no shape is of letters and digits alone
        return False
    if folded[0].isalnum():
        likely = folded.endswith(_NOTHING) or folded.startswith(_PRINTED)
        return likely and any(shape.fullmatch(folded) for shape in _SHAPES_OF_LETTERS.values())
    return not _GUID.fullmatch(folded) and any(shape.fullmatch(folded) for shape in _SHAPES_OF_SIGNS.values())


def is_nobodys_email(address: str) -> bool:
    """Returns whether an address in its normal form, or what else was sent as one, can be no customer's."""
    folded = address.strip().casefold()
    name, at, domain = folded.rpartition("@")
    if not at:
        return is_placeholder(address)
    if domain in MAIL_DOMAINS.plain or folded in MAIL_ADDRESSES.plain:
        return True
    mailbox = (name.partition("+")[0] or name) if "+" in name else name
    if mailbox.startswith(_NO) and _NO_MAILBOX.fullmatch(mailbox) is not None:
        return True
    if mailbox[:1].isalnum():
        return mailbox in (MAILBOXES if mailbox.isalnum() else MAILBOXES_OF_PARTS)
    return is_placeholder(mailbox)


def is_nobodys_phone(number: str) -> bool:
    """Returns whether a telephone number, as it was written, is one that people type to get past a form."""
    digits = "".join(str(int(one)) for one in number if one.isdecimal())
    return digits in DIGITS.plain or len(set(digits[-EQUAL_DIGITS:])) == 1 or is_placeholder(number)


MEANS_NOBODY: Final[Mapping[Namespace, Callable[[str], bool]]] = {
    Namespace.USER_ID: is_placeholder,
    Namespace.EMAIL: is_nobodys_email,
    Namespace.PHONE: is_nobodys_phone,
    Namespace.ANONYMOUS_ID: is_placeholder,
}
