"""What a mail provider's reply is about. The replies are ours, in the style of servers and providers of the field."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.campaign.domain.delivery import Deferred, Rejected, Undeliverable, Withheld, meaning
from services.campaign.domain.replies import (
    ADVICE,
    SMTP_STAGES,
    About,
    ProviderReply,
    Stage,
    Trouble,
    about,
    read,
    trouble,
)

ACCOUNT, ADDRESS, MESSAGE, LATER = About.ACCOUNT, About.ADDRESS, About.MESSAGE, About.LATER
CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA, END = SMTP_STAGES

TABLE: Final = [
    # The connection and its greeting
    (CONNECT, "554 5.7.1 Service not available, your host [192.0.2.7] is on our block list", ACCOUNT),
    (CONNECT, "554 No SMTP service here for you", ACCOUNT),
    (CONNECT, "521 This host takes no mail", ACCOUNT),
    (CONNECT, "421 4.7.0 Too many connections from your address, try again later", LATER),
    (CONNECT, "420 busy", LATER),
    # EHLO and STARTTLS
    (EHLO, "550 5.7.1 Helo command rejected: need a fully qualified host name", ACCOUNT),
    (EHLO, "501 5.5.4 invalid domain name", ACCOUNT),
    (EHLO, "421 4.3.2 shutting down", LATER),
    (STARTTLS, "501 5.5.4 Syntax error, no parameters allowed", ACCOUNT),
    (STARTTLS, "454 4.7.0 TLS not available due to a local problem", LATER),
    # Logging in
    (AUTH, "535 5.7.8 Username and password not accepted", ACCOUNT),
    (AUTH, "535 5.7.3 Authentication unsuccessful", ACCOUNT),
    (AUTH, "535 Error: authentication failed, please use an authorization code to log in", ACCOUNT),
    (AUTH, "534 5.7.9 Application-specific password required", ACCOUNT),
    (AUTH, "538 5.7.11 Encryption required for this mechanism", ACCOUNT),
    (AUTH, "504 5.5.4 mechanism not known", ACCOUNT),
    (AUTH, "525 5.7.13 User account is disabled", ACCOUNT),
    (AUTH, "454 4.7.0 Temporary authentication failure", LATER),
    # MAIL FROM
    (MAIL, "550 5.4.5 Daily user sending limit exceeded", ACCOUNT),
    (MAIL, "530 5.7.0 Must issue a STARTTLS command first", ACCOUNT),
    (MAIL, "530 5.7.1 Authentication required", ACCOUNT),
    (MAIL, "550 5.7.1 Sender shop@shop.example is not verified", ACCOUNT),
    (MAIL, "553 5.7.1 <hello@shop.example>: Sender address rejected: not owned by user shop", ACCOUNT),
    (MAIL, "553 Mail from must equal the authorized user", ACCOUNT),
    (MAIL, "550 5.1.8 Sender address rejected: Domain not found", ACCOUNT),
    (MAIL, "550 5.1.7 Invalid sender", ACCOUNT),
    (MAIL, "550 5.1.1 unknown sender", ACCOUNT),
    (MAIL, "550 Domain frequency limited", ACCOUNT),
    (MAIL, "550 no", ACCOUNT),
    (MAIL, "550", ACCOUNT),
    (MAIL, "501 5.5.2 syntax error", ACCOUNT),
    (MAIL, "552 5.3.4 Message size exceeds fixed maximum message size", MESSAGE),
    (MAIL, "552 message size exceeds limit", MESSAGE),
    (MAIL, "552 Your daily sending quota is used up", ACCOUNT),
    (MAIL, "550 5.6.7 addresses outside ASCII are not allowed for this sender", MESSAGE),
    (MAIL, "421 4.7.0 Too many connections", LATER),
    (MAIL, "451 4.7.1 Rate limit reached, try again later", LATER),
    (MAIL, "452 4.3.1 Insufficient system storage", LATER),
    # RCPT TO, by status
    (RCPT, "550 5.1.1 <ann@example.com>: Recipient address rejected: User unknown in local recipient table", ADDRESS),
    (RCPT, "550 5.1.1 The account that you tried to reach does not exist", ADDRESS),
    (RCPT, "550 5.1.2 bad destination domain", ADDRESS),
    (RCPT, "501 5.1.3 Bad recipient address syntax", ADDRESS),
    (RCPT, "550 5.1.6 Recipient has moved", ADDRESS),
    (RCPT, "556 5.1.10 Recipient address has null MX", ADDRESS),
    (RCPT, "550 5.1.0 Address rejected", ADDRESS),
    (RCPT, "550 5.1.0 Sender rejected", ACCOUNT),
    (RCPT, "550 5.2.1 The account is disabled", ADDRESS),
    (RCPT, "552 5.2.2 The mailbox is full", MESSAGE),
    (RCPT, "550 5.2.0 mailbox error", MESSAGE),
    (RCPT, "550 5.4.1 Recipient address rejected: Access denied", ADDRESS),
    (RCPT, "550 5.4.4 Host not found, domain has no server", ADDRESS),
    (RCPT, "554 5.4.6 Too many hops", MESSAGE),
    (RCPT, "550 5.4.5 sending limit of the account exceeded", ACCOUNT),
    (RCPT, "554 5.7.1 <ann@example.com>: Relay access denied", ACCOUNT),
    (RCPT, "550 5.7.1 Unable to relay", ACCOUNT),
    (RCPT, "550 5.7.64 TenantAttribution; Relay access denied", ACCOUNT),
    (RCPT, "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using list.example", ACCOUNT),
    (RCPT, "550 5.7.1 You are not allowed to send to this group", MESSAGE),
    (RCPT, "550 5.7.1 refused", ACCOUNT),
    (RCPT, "550 5.7.25 no PTR record for this server", ACCOUNT),
    (RCPT, "550 5.7.2 list does not take mail from outside", MESSAGE),
    (RCPT, "550 5.7.17 mailbox owner has changed", ADDRESS),
    (RCPT, "550 5.7.18 domain owner has changed", ADDRESS),
    (RCPT, "530 5.7.0 Authentication required", ACCOUNT),
    (RCPT, "553 5.6.7 a name outside ASCII is not allowed", MESSAGE),
    (RCPT, "503 5.5.1 MAIL first", MESSAGE),
    # RCPT TO, by words
    (RCPT, "550 No such user here", ADDRESS),
    (RCPT, "550 Requested action not taken: mailbox unavailable", ADDRESS),
    (RCPT, "550 User not found: ann", ADDRESS),
    (RCPT, "550 Mailbox not found or access denied", ADDRESS),
    (RCPT, "550 Unrouteable address", ADDRESS),
    (RCPT, "550 Invalid recipient", ADDRESS),
    (RCPT, "550 5.0.0 unknown recipient", ADDRESS),
    (RCPT, "550 sorry, no mailbox here by that name. (#5.1.1)", ADDRESS),
    (RCPT, "553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", ACCOUNT),
    (RCPT, "553 Requested action not taken: mailbox name not allowed", ADDRESS),
    (RCPT, "501 Bad address syntax", ADDRESS),
    (RCPT, "551 User not local; please try <ann@elsewhere.example>", ADDRESS),
    (RCPT, "550 Domain does not exist", ADDRESS),
    (RCPT, "550 用户不存在", ADDRESS),
    (RCPT, "550 This account has been disabled", ADDRESS),
    (RCPT, "550 Relaying denied", ACCOUNT),
    (RCPT, "550 We do not relay", ACCOUNT),
    (RCPT, "550 relay not permitted, authentication required", ACCOUNT),
    (RCPT, "550 Sender verify failed", ACCOUNT),
    (RCPT, "550 Your IP is on a blacklist", ACCOUNT),
    (RCPT, "550 Ip frequency limited", ACCOUNT),
    (RCPT, "550 hourly message limit of the plan is reached: too many messages", ACCOUNT),
    (RCPT, "552 mailbox full", MESSAGE),
    (RCPT, "552 Requested action aborted: exceeded storage allocation", MESSAGE),
    (RCPT, "550 user over quota", MESSAGE),
    (RCPT, "550 5.7.1 No such user!", ADDRESS),
    (RCPT, "550 5.7.1 Policy rejection on the target address", MESSAGE),
    (RCPT, "504 5.5.2 <mail>: Helo command rejected: need fully-qualified hostname", ACCOUNT),
    (RCPT, "550 Rejected: 192.0.2.7 listed at list.example", ACCOUNT),
    (RCPT, "553 5.1.8 <hello@shop.example>: Sender address rejected: Domain not found", ACCOUNT),
    (RCPT, "550 The recipient may be a non-existent account, please check it", ADDRESS),
    (RCPT, "553 mailbox name invalid", ADDRESS),
    (RCPT, "550 User has no permission", ACCOUNT),
    (RCPT, "550 for some reason", MESSAGE),
    (RCPT, "554 no", MESSAGE),
    # RCPT TO, for now
    (RCPT, "450 4.2.0 Greylisted, come back in 300 seconds", LATER),
    (RCPT, "452 4.2.2 Mailbox full", LATER),
    (RCPT, "451 No such user here", LATER),
    (RCPT, "450 5.1.1 unknown, they think", LATER),
    (RCPT, "550 4.2.1 receives mail at too high a rate", LATER),
    # DATA and its end
    (DATA, "554 5.5.1 no valid recipients", MESSAGE),
    (DATA, "554 no valid recipients", MESSAGE),
    (DATA, "530 5.7.0 log in first", ACCOUNT),
    (DATA, "421 4.4.2 timeout", LATER),
    (END, "554 5.7.1 Message rejected: account suspended", ACCOUNT),
    (END, "554 Message rejected: Email address is not verified", ACCOUNT),
    (END, "554 Sending paused for this account", ACCOUNT),
    (END, "550 5.7.26 mail from this domain is not authenticated by SPF or DKIM", ACCOUNT),
    (END, "550 5.7.1 DMARC policy of the domain forbids this sender", ACCOUNT),
    (END, "554 5.7.1 Your IP has a poor reputation", ACCOUNT),
    (END, "550 5.4.5 Daily sending quota exceeded", ACCOUNT),
    (END, "554 5.7.1 Spam message rejected", MESSAGE),
    (END, "550 5.7.1 likely unsolicited mail; this message has been blocked", MESSAGE),
    (END, "552 5.7.0 blocked because its content presents a potential security issue", MESSAGE),
    (END, "554 Message contains a virus", MESSAGE),
    (END, "550 Mail content denied", MESSAGE),
    (END, "552 5.3.4 too large", MESSAGE),
    (END, "552 5.2.3 message length exceeds an administrative limit", MESSAGE),
    (END, "523 message length exceeds administrative limit", MESSAGE),
    (END, "550 5.6.0 message is malformed", MESSAGE),
    (END, "554 5.6.1 media not supported", MESSAGE),
    (END, "554 transaction failed", MESSAGE),
    (END, "550 5.1.1 user unknown", ADDRESS),
    (END, "550 5.2.1 mailbox disabled", ADDRESS),
    (END, "554 Access denied: this user is not authorized to send", ACCOUNT),
    (END, "554 发信人超出每日限额", ACCOUNT),
    (END, "454 Throttling failure: daily message quota exceeded", LATER),
    (END, "451 4.3.0 queue file write error", LATER),
    (END, "452 4.3.1 Insufficient system storage", LATER),
]


def _reply(stage: Stage, line: str) -> ProviderReply:
    return read(stage, int(line[:3]), line[4:])


@pytest.mark.parametrize(("stage", "line", "expected"), TABLE, ids=[f"{stage}: {line}" for stage, line, _ in TABLE])
def test_a_reply_is_about_one_thing(stage: Stage, line: str, expected: About) -> None:
    assert _reply(stage, line).about is expected


def test_every_stage_stands_in_the_table_with_a_reply_for_good_and_one_for_now() -> None:
    met = {(stage, expected is LATER) for stage, _, expected in TABLE}
    assert met == {(stage, later) for stage in SMTP_STAGES for later in (True, False)}


STATUSES: Final = st.one_of(
    st.just(""), st.builds("{}.{}.{}".format, st.sampled_from("245"), st.integers(0, 9), st.integers(0, 40))
)
WORDS: Final = st.one_of(st.text(max_size=60), st.sampled_from([line[4:] for _, line, _ in TABLE]))


@given(st.sampled_from(SMTP_STAGES), st.integers(0, 999), STATUSES, WORDS)
def test_every_reply_has_one_class_and_only_one_for_good_after_rcpt_suppresses(
    stage: Stage, code: int, status: str, text: str
) -> None:
    found = about(stage, code, status, text)
    assert found in About
    if 400 <= code <= 499 or status.startswith("4."):
        assert found is LATER or code == 0
    if found is ADDRESS:
        assert 500 <= code <= 599
        assert stage in (RCPT, DATA, END)
    if found is LATER:
        assert not 500 <= code <= 599 or status.startswith("4.")


@given(st.sampled_from(SMTP_STAGES), st.integers(0, 999), STATUSES, WORDS)
def test_what_a_reply_is_about_decides_what_becomes_of_the_message(
    stage: Stage, code: int, status: str, text: str
) -> None:
    expected = {ACCOUNT: Withheld, ADDRESS: Undeliverable, MESSAGE: Rejected, LATER: Deferred}
    reply = ProviderReply(stage, code, status, text)
    assert type(meaning(reply)) is expected[reply.about]


@given(st.sampled_from([STARTTLS, AUTH, EHLO, CONNECT]), st.integers(500, 599), STATUSES, WORDS)
def test_before_a_sender_is_named_a_refusal_is_about_our_account(
    stage: Stage, code: int, status: str, text: str
) -> None:
    assert about(stage, code, status, text) is (LATER if status.startswith("4.") else ACCOUNT)


@given(st.integers(0, 999), st.text())
def test_any_reply_can_be_read(code: int, message: str) -> None:
    reply = read(RCPT, code, message)
    assert reply.text.isprintable()
    assert "\n" not in str(reply)


@pytest.mark.parametrize(
    ("stage", "line", "counted"),
    [
        (CONNECT, "421 busy", False),
        (MAIL, "421 4.7.0 Too many connections", False),
        (RCPT, "450 4.2.0 Greylisted", True),
        (RCPT, "452 4.2.2 Mailbox full", True),
        (RCPT, "450 4.7.1 Client host rejected: cannot find your hostname", False),
        (END, "454 Throttling failure: daily message quota exceeded", False),
        (END, "421 4.4.5 busy", False),
        (END, "451 4.3.0 queue file write error", True),
    ],
)
def test_a_limit_of_ours_that_passes_is_no_try_of_the_message(stage: Stage, line: str, counted: bool) -> None:
    answer = meaning(_reply(stage, line))
    assert isinstance(answer, Deferred)
    assert answer.counted is counted


@pytest.mark.parametrize(
    ("message", "status", "text"),
    [
        ("5.7.1 Go away", "5.7.1", "Go away"),
        ("5.7.1 Go\n5.7.1 away,\n5.7.1 please", "5.7.1", "Go away, please"),
        ("5.7.1", "5.7.1", ""),
        ("5.01.010 x", "5.1.10", "x"),
        ("no mailbox (#5.1.1)", "5.1.1", "no mailbox (#5.1.1)"),
        ("192.0.2.7 is listed", "", "192.0.2.7 is listed"),
        ("5.1.1.2 is listed", "", "5.1.1.2 is listed"),
        ("", "", ""),
    ],
)
def test_the_enhanced_status_is_taken_out_of_the_text(message: str, status: str, text: str) -> None:
    assert read(RCPT, 550, message) == ProviderReply(RCPT, 550, status, text)


@pytest.mark.parametrize(
    ("stage", "line", "expected"),
    [
        (AUTH, "535 5.7.8 not accepted", Trouble.LOGIN),
        (MAIL, "530 5.7.0 Must issue a STARTTLS command first", Trouble.TLS),
        (STARTTLS, "000 no TLS: certificate verify failed", Trouble.TLS),
        (MAIL, "530 5.7.0 Authentication required", Trouble.LOGIN),
        (MAIL, "550 5.4.5 Daily user sending limit exceeded", Trouble.LIMIT),
        (MAIL, "550 Domain frequency limited", Trouble.LIMIT),
        (RCPT, "554 5.7.1 Relay access denied", Trouble.RELAY),
        (MAIL, "550 5.7.1 Sender is not verified", Trouble.SENDER),
        (END, "550 5.7.26 not authenticated", Trouble.SENDER),
        (CONNECT, "554 not you", Trouble.BLOCKED),
        (END, "554 5.7.1 Message rejected: account suspended", Trouble.BLOCKED),
        (RCPT, "554 5.7.1 Client host blocked using list.example", Trouble.BLOCKED),
        (MAIL, "550 no", Trouble.OTHER),
    ],
)
def test_what_is_wrong_with_our_account_has_its_advice(stage: Stage, line: str, expected: Trouble) -> None:
    assert trouble(_reply(stage, line)) is expected
    assert ADVICE[expected]
