#!/usr/bin/env bash
# user-agents 2.2.0 with ua-parser 1.0.2 and its rules of 202610: robots that are known by name, and are no robots.
#
# Most expect: a robot whose own name the parser gives as the browser is a robot to is_bot, for any device it poses as.
# It is not: what a robot is, is decided by the rules for devices, which know other names than those for browsers, and
# is_bot asks the device only. On one and the same phone Googlebot is a robot; GoogleOther and Storebot, Google's too,
# are persons with that phone. Bytespider is a robot at a desk and a person with a phone; of those that fetch the
# pictures of mails, Yahoo's is a robot and Gmail's a person at a PC.
# So: hold the browser's family against a list of one's own, besides.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check \
    user-agents==2.2.0 ua-parser==1.0.2 ua-parser-builtins==202610
"$work/venv/bin/python" - <<'PYTHON'
import user_agents

PHONE = "Mozilla/5.0 (Linux; Android 6.0.1; Nexus 5X Build/MMB29P{}) AppleWebKit/537.36 (KHTML, like Gecko) "
PHONE += "Chrome/130.0.0.0 Mobile Safari/537.36{}"
DESK = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"
SENT = {  # what a robot says: its name to the parser, and what it is taken for
    PHONE.format("", " (compatible; Googlebot/2.1)"): ("Googlebot", "robot"),
    PHONE.format("", " (compatible; GoogleOther)"): ("GoogleOther", "phone"),
    PHONE.format("; Storebot-Google/1.0", ""): ("Storebot", "phone"),
    DESK.format("compatible; Bytespider"): ("Bytespider", "robot"),
    PHONE.format("", " (compatible; Bytespider)"): ("Bytespider", "phone"),
    "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html": ("YahooMailProxy", "robot"),
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)": (
        "GmailImageProxy",
        "PC",
    ),
}
found = {}
for text in SENT:
    agent = user_agents.parse(text)
    kind = "robot" if agent.is_bot else "phone" if agent.is_mobile else "PC" if agent.is_pc else "nothing"
    found[text] = (agent.browser.family, kind)
    print(f"{agent.browser.family:16} {kind:6} device {agent.device.family}")
assert found == SENT
PYTHON
