"""The words by which replies say what they are about where their numbers leave it open: in small letters, by group.

Collected from the documentation of mail servers and providers (docs/decisions/0047). Each group errs to the side that
loses less: what is not known is neither about our account nor about the address.
"""

import re
from typing import Final


def _any(*parts: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in parts))


# What is wrong with us, each in its own group: advice goes by them.
LOGIN: Final = _any(
    r"authenticat(?:e|ion)\b.{0,40}\b(?:required|failed|unsuccessful|first|invalid|needed)",
    r"(?:must|please|need to|not|un)\s?(?:be )?(?:authenticate|logged in|log ?in)",
    r"\b(?:credentials|password|username and|app(?:lication)?-specific)\b",
    r"smtp auth",
    r"登录|认证失败|授权码",
)
TLS: Final = _any(r"\bstarttls\b", r"\b(?:tls|ssl|encryption|encrypted)\b", r"\bcertificate\b")
LIMIT: Final = _any(
    r"\b(?:sending|daily|hourly|monthly|rate|relay|outbound|sender|submission|mail|message|smtp)\b.{0,20}"
    r"\b(?:limit|quota)s?\b",
    r"\b(?:limit|quota)\b.{0,30}\b(?:messages|mails|emails|recipients)\b.{0,20}\b(?:day|hour|minute)",
    r"too many (?:messages|mails|emails|connections|sessions|login|recipients this)",
    r"\b(?:rate|frequency)[ -]?limit|\bthrottl|sent too (?:fast|many|much)|mail flood",
    r"频率|限额|发信超过|超过.{0,6}限制",
)
RELAY: Final = _any(
    r"\brelay(?:ing)?\b(?! (?:quota|limit)).{0,30}"
    r"\b(?:denied|not (?:permitted|allowed)|prohibited|rejected|disabled|refused|forbidden)",
    r"(?:unable|not (?:able|allowed|permitted|authori[sz]ed)|cannot|can't|do(?:es)? not|won't|refus\w+) (?:to )?relay",
    r"rcpthosts|open relay|not an? open",
)
LISTED: Final = _any(
    r"\b(?:block|black|deny|ban)[ -]?list(?:ed)?\b",
    r"\bblocked (?:using|by|due to) ?(?:.{0,30}\b(?:list|dnsbl|rbl|reputation)|\S+\.\S+\.)",
    r"spamhaus|spamcop|barracuda|sorbs|dnsbl|\brbls?\b|senderscore|talos|\bproofpoint dynamic",
    r"\b(?:your|this|the|sending|client|source) (?:ip|host|server|mail server|network|domain)\b.{0,60}"
    r"\b(?:block|list|ban|reject|refus|den(?:y|ied)|reputation|not (?:allowed|permitted|authori[sz]ed|accepted))",
    r"\bclient host\b|\b(?:ip|domain|sender) reputation\b|\b(?:bad|poor|low) reputation\b|\bip address\b.{0,40}\bblock",
    r"\bip\b.{0,20}\b(?:rejected|blocked|banned|denied|limited|listed|not authori[sz]ed)",
    r"\bip (?:you're|you are) using\b|\blisted (?:at|in|on|by)\b|\b(?:helo|ehlo) command\b",
)
SENDER: Final = _any(
    r"\b(?:sender|from|envelope from|return path|mail from)\b.{0,60}"
    r"\b(?:not verified|unverified|verif\w+ failed|rejected|denied|blocked"
    r"|not (?:allowed|permitted|owned|authori[sz]ed)|invalid|refused|does not exist|not exist"
    r"|unknown|mismatch|must (?:be|match))",
    r"\b(?:unverified|unauthori[sz]ed|invalid|unknown|bad) (?:sender|from)\b|sender verif|verify (?:the )?sender",
    r"\b(?:email )?identit(?:y|ies)\b.{0,20}\bnot verified|address is not verified|domain is not verified",
    r"\b(?:spf|dkim|dmarc)\b|\breverse (?:dns|lookup)|\bptr\b|\brdns\b",
    r"not (?:authori[sz]ed|allowed|permitted) to send (?:as|from|mail from|on behalf)|send ?as ?denied|sendasdenied",
)
SUSPENDED: Final = _any(
    r"\b(?:your|the|this|sending|sender(?:'s)?|user) ?(?:\w+ )?account\b.{0,40}"
    r"\b(?:suspend|block|lock|restrict|terminat|limited|on hold|under review)",
    r"sending (?:is |has been )?(?:paused|suspended|disabled|blocked)",
    r"\b(?:subscription|billing|payment|credits?|trial)\b.{0,40}\b(?:expired|exceeded|required|ended|used up|overdue)",
    r"service (?:refused|suspended|disabled)|tenant",
)
_GROUPS: Final = (LOGIN, LIMIT, RELAY, LISTED, SENDER, SUSPENDED)
OF_US: Final = _any(*(group.pattern for group in _GROUPS), r"must issue a starttls|(?:requires?|use) (?:tls|starttls)")
# Said of us as often as of others: asked only once nothing speaks of the address.
MAYBE_OF_US: Final = _any(
    r"\baccount\b.{0,40}\b(?:suspend|disabl|block|lock|restrict|deactivat|terminat|clos)",
    r"\bquota\b|\b(?:limit exceeded|exceeded .{0,20}limit)\b",
    r"access (?:is )?denied|no permission|not authori[sz]ed|unauthori[sz]ed|permission denied",
)

NOBODY: Final = _any(
    r"\b(?:no such|unknown|non-?existent) (?:user|mailbox|recipient|address|account)\b",
    r"\b(?:user|mailbox|recipient|account) (?:is )?(?:unknown|not found|does not exist|doesn'?t exist)",
)
OF_ADDRESS: Final = _any(
    r"\b(?:user|mailbox|mail box|recipient|rcpt|account|address|addressee|destination|inbox|customer)\b.{0,60}"
    r"\b(?:unknown|not found|doesn'?t exist|does ?n.t exist|does not exist|no longer|not exist|unavailable|"
    r"disabled|inactive|deactivated|closed|not available|not known|non-?existent|expired|invalid|not valid|"
    r"not recognized|undeliverable|deleted)",
    r"\b(?:unknown|no such|invalid|non-?existent|bad|inactive|disabled|undeliverable|unrouteable|unroutable)"
    r" (?:local )?(?:user|recipient|mailbox|address|account|addressee|person|destination|domain|host|rcpt)",
    r"\bnot a (?:valid|known|local) (?:mailbox|user|recipient|address)|no mailbox (?:here|by)|not our customer",
    r"doesn'?t have an? \S+ account|mailbox name not allowed|user not local",
    r"\b(?:domain|host)\b.{0,30}\b(?:not found|does not exist|doesn'?t exist|not exist|has no (?:mx|mail))",
    r"\bnull ?mx\b|\bno mx\b|does not accept mail",
    r"address syntax|syntax error in (?:the )?(?:recipient|address|mailbox)",
    r"recipient address rejected: access denied",
    r"(?:用户|邮箱|收件人|帐号|账号).{0,8}(?:不存在|无效|已停用|被禁用)",
)
OF_RECIPIENTS_CHOICE: Final = _any(
    r"\brecipient(?:'s)?\b|\bthis (?:user|mailbox|group|address)\b|\b(?:mailing )?(?:list|group)\b.{0,40}\brestrict",
    r"\btarget address\b|to this (?:recipient|address|mailbox|user)",
)

TOO_LARGE: Final = _any(
    r"\b(?:message|mail|size|content|attachments?|body|header)\b.{0,40}\btoo (?:large|big|long)\b",
    r"\bsize\b.{0,40}\b(?:limit|exceed|maximum)|\b(?:exceed\w*|maximum)\b.{0,40}\b(?:size|length)\b|too (?:large|big)",
)
MAILBOX_FULL: Final = _any(
    r"\b(?:mailbox|mail box|inbox|recipient|user|account)\b.{0,40}\b(?:full|over ?quota|over its quota|quota exceeded)",
    r"\bexceed\w*\b.{0,30}\b(?:storage|disk|mailbox)|insufficient (?:system |disk )?(?:storage|space)|out of storage",
    r"\bmailbox\b.{0,30}\bquota\b|storage allocation",
)
