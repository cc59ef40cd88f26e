#!/usr/bin/env bash
# ua-parser 1.0.2 with its rules of 202610: the browser inside WeChat has a name on every system but Android.
#
# Most expect: `MicroMessenger/8.0` in a user agent is WeChat, on any system, or on none.
# It is on iOS and on Windows ("WeChat Browser"), and is not on Android, where the rule for web views comes first: there
# it is "Chrome Mobile WebView", with Chrome's version. Weibo's browser, in the same web view, is "Weibo". So a share of
# WeChat that is counted by this name is the share of iPhones and desks.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check ua-parser==1.0.2 ua-parser-builtins==202610
"$work/venv/bin/python" - <<'PYTHON'
import ua_parser

WEBKIT = "(KHTML, like Gecko)"
IPHONE = f"Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 {WEBKIT} Mobile/15E148"
DESK = f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 {WEBKIT} Chrome/116.0.0.0 Safari/537.36"
VIEW = f"Mozilla/5.0 (Linux; Android 13; A-100 Build/A1; wv) AppleWebKit/537.36 {WEBKIT} Version/4.0 "
VIEW += "Chrome/116.0.0.0 Mobile Safari/537.36"
WECHAT = "MicroMessenger/8.0.43.2480(0x28002B51) NetType/WIFI Language/zh_CN"
SENT = {
    "WeChat, iPhone": (f"{IPHONE} {WECHAT}", "WeChat Browser"),
    "WeChat, Windows": (f"{DESK} {WECHAT}", "WeChat Browser"),
    "WeChat, Android": (f"{VIEW} XWEB/1160065 {WECHAT} WeChat/arm64", "Chrome Mobile WebView"),
    "Weibo, Android": (f"{VIEW} Weibo (A-100__weibo__13.10.0__android__android13)", "Weibo"),
}
for name, (text, family) in SENT.items():
    agent = ua_parser.parse(text).user_agent
    print(f"{name:16} {agent.family} {agent.major}")
    assert agent.family == family
PYTHON
