#!/usr/bin/env bash
# resvg-py 0.5.0 and vl-convert-python 1.9.0.post1 keep Python's lock while they draw: a thread does not help.
#
# Most expect: a library in Rust lets other threads run while it works, so `asyncio.to_thread(svg_to_png, svg)` keeps an
# event loop alive.
# It does not: while one thread draws, no other runs a line of Python, however long the picture takes. A service that
# must answer meanwhile needs a process for it.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check resvg-py==0.5.0 vl-convert-python==1.9.0.post1
"$work/venv/bin/python" - <<'PYTHON'
import threading
import time

import resvg_py
import vl_convert

BARS = "".join(f'<rect x="{n}" y="{n}" width="900" height="900" fill="#08a" opacity="0.5"/>' for n in range(10))
SVG = f'<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="1000">{BARS}</svg>'


def judged(name, draw):
    """Draws in a thread, and looks for the longest time in which this one could not run."""
    draw()
    took = []

    def work():
        begun = time.perf_counter()
        draw()
        took.append(time.perf_counter() - begun)

    thread = threading.Thread(target=work)
    longest, last = 0.0, time.perf_counter()
    thread.start()
    while thread.is_alive():
        time.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    share = longest / took[0]
    print(f"{name:11} drew for {took[0] * 1000:4.0f} ms; the other thread stood still for {min(share, 1):.0%} of it")
    assert share > 0.5


judged("resvg-py", lambda: resvg_py.svg_to_bytes(svg_string=SVG, skip_system_fonts=True))
judged("vl-convert", lambda: vl_convert.svg_to_png(SVG))
PYTHON
