#!/usr/bin/env bash
# phonenumbers 9.0.18 and phonenumberslite 9.0.18, both installed, as happens when two libraries ask for one each.
#
# Most expect: two distributions with two names stand beside each other, and to remove one leaves the other whole; or an
# installer says that they conflict.
# They are: both own the import package `phonenumbers`, file by file; nobody says so, and `pip uninstall
# phonenumberslite` takes the parser itself away from phonenumbers, which pip goes on listing as installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip() { "$work/venv/bin/pip" --quiet --disable-pip-version-check "$@"; }
pip install phonenumbers==9.0.18 phonenumberslite==9.0.18
pip check
"$work/venv/bin/python" -c 'import phonenumbers; print("before:", phonenumbers.parse("030 123456", "DE").national_number)'
pip uninstall --yes phonenumberslite
"$work/venv/bin/pip" --disable-pip-version-check list | grep '^phonenumbers '
found=$("$work/venv/bin/python" -c '
try:
    from phonenumbers import parse
except ImportError as error:
    print(type(error).__name__)
else:
    print("parse is there")')
echo "after: $found"
[ "$found" = ImportError ]
