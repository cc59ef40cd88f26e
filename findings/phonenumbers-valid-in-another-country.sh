#!/usr/bin/env bash
# phonenumberslite 9.0.18: whether a number is valid says little of whether its country was right.
#
# Most expect: is_valid_number tells a number that was read by the wrong country, since lengths and prefixes differ.
# It does not: of an example number of each kind of each country, written nationally and read by every country of
# another calling code, about one reading in ten is a valid number there, and none of them is the number that was meant.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check phonenumberslite==9.0.18
"$work/venv/bin/python" - <<'PYTHON'
import phonenumbers
from phonenumbers import PhoneNumberFormat, PhoneNumberType

readings = valid = right = 0
regions = sorted(phonenumbers.SUPPORTED_REGIONS)
for region in regions:
    for kind in PhoneNumberType.values():
        number = phonenumbers.example_number_for_type(region, kind)
        if number is None:
            continue
        written = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
        for other in regions:
            if phonenumbers.country_code_for_region(other) == number.country_code:
                continue
            readings += 1
            try:
                read = phonenumbers.parse(written, other)
            except phonenumbers.NumberParseException:
                continue
            valid += phonenumbers.is_valid_number(read)
            right += read == number
share = valid / readings
print(f"{readings} readings by a wrong country, {share:.1%} valid, {right} of them the number that was meant")
assert 0.05 < share < 0.15
assert right == 0
PYTHON
