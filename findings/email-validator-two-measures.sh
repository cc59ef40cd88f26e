#!/usr/bin/env bash
# email-validator 2.4.0: the part before the @ is measured in characters, the whole address in octets.
#
# Most expect: with strict=True a local part has at most 64 octets, as RFC 5321 says (4.5.3.1.1), counted in UTF-8, as
# the library counts the 254 of the whole address.
# It has at most 64 characters: 33 or 64 letters "é" (66 or 128 octets) are taken, 65 letters "a" are not. Without
# strict, which is the default, there is no limit but the whole address's. So of two addresses of one length on the
# wire, one is valid and the other is not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check email-validator==2.4.0
"$work/venv/bin/python" - <<'PYTHON'
from email_validator import EmailNotValidError, validate_email

found = {}
for letter, count in (("a", 64), ("a", 65), ("a", 128), ("é", 32), ("é", 33), ("é", 64), ("é", 65), ("é", 122)):
    local = letter * count
    for strict in (True, False):
        try:
            validate_email(f"{local}@example.com", check_deliverability=False, strict=strict)
            answer = "taken"
        except EmailNotValidError as error:
            answer = str(error)
        found[letter, count, strict] = answer == "taken"
        print(f"{count:3} {letter} = {len(local.encode()):3} octets, strict {strict!s:5}: {answer}")
assert {case for case, taken in found.items() if not taken} == {
    ("a", 65, True),
    ("a", 128, True),
    ("é", 65, True),
    ("é", 122, True),
    ("é", 122, False),  # 244 octets, and 12 of @example.com
}
PYTHON
