#!/usr/bin/env bash
# phonenumberslite 9.0.42, Germany: what people write after a number becomes a part of it.
#
# Most expect: an extension is recognized or refused, and words beside a number are dropped or refused.
# So it is in English only ("ext. 12"). Three letters or more make a "vanity number", whose letters are keys of a phone:
# "App. 12", as an extension is written in German, gives 27712 at the end, and "Fax" gives 329. A shorter word is
# dropped, what follows it is not. "040 123456/57" means the two lines 123456 and 123457, and gives one line 12345657.
# All of them are valid: German numbers have no fixed length, so that is_valid_number stops none of these.
# So: refuse letters before the library sees them, and decide what a slash is.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check phonenumberslite==9.0.42
"$work/venv/bin/python" - <<'PYTHON'
import phonenumbers

WRITTEN = {  # the number in E.164 without its first "+4940123456", and the extension
    "040 123456": ("", None),
    "040 123456 ext. 12": ("", "12"),
    "040 123456 App. 12": ("27712", None),
    "040 123456 DW 12": ("12", None),
    "040 123456/57": ("57", None),
    "040 123456 Fax": ("329", None),
    "040 123456 abends": ("223637", None),
}
for written, expected in WRITTEN.items():
    number = phonenumbers.parse(written, "DE")
    text = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    valid = phonenumbers.is_valid_number(number)
    print(f"{written:20} {text:18} extension {number.extension!s:5} valid {valid}")
    assert valid
    assert (text.removeprefix("+4940123456"), number.extension) == expected
PYTHON
