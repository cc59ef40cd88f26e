#!/usr/bin/env bash
# msgspec 0.23.0: when the most elements of a list that a type allows are looked at.
#
# Most expect: Meta(max_length=10) stops the reading at the eleventh element, so that it bounds what a message may cost;
# and a type means the same in both of the library's formats.
# It is so in MessagePack, where a list begins with its length. In JSON the whole list is read first and counted then:
# the refusal of 200,000 texts costs the memory that their reading costs without any bound (12.8 MiB here), and an
# element far behind the bound that has a wrong type is what the error is about. Objects are as lists.
# So: bound a message's size before it is read; the type does not.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check msgspec==0.23.0
"$work/venv/bin/python" - <<'PYTHON'
import tracemalloc
from typing import Annotated

import msgspec

TEN = msgspec.Meta(max_length=10)
TEXTS = [str(1_000_000_000 + n) for n in range(200_000)]
VALUES = {
    "list": (TEXTS, list[str], Annotated[list[str], TEN]),
    "object": (dict.fromkeys(TEXTS, 1), dict[str, int], Annotated[dict[str, int], TEN]),
}


def read(module, content, type_):
    """The most memory that the reading took, in bytes, and what it said."""
    decoder = module.Decoder(type_)
    tracemalloc.start()
    try:
        decoder.decode(content)
        said = "read"
    except msgspec.ValidationError as error:
        said = str(error)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, said


for name, (value, free, bounded) in VALUES.items():
    for module in (msgspec.json, msgspec.msgpack):
        content = module.encode(value)
        whole, said = read(module, content, free)
        assert said == "read"
        peak, said = read(module, content, bounded)
        print(f"{module.__name__:15} {name:6} without a bound {whole:10,} bytes, with one {peak:10,}: {said}")
        assert said.endswith("of length <= 10")
        assert peak > 0.9 * whole if module is msgspec.json else peak < 0.01 * whole
wrong = ["text"] * 100 + [5]
told = {
    module.__name__: read(module, module.encode(wrong), VALUES["list"][2])[1]
    for module in (msgspec.json, msgspec.msgpack)
}
print(told)
assert told["msgspec.json"] == "Expected `str`, got `int` - at `$[100]`"
assert told["msgspec.msgpack"].endswith("of length <= 10")
PYTHON
