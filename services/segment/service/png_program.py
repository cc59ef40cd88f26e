"""A program: reads SVG from its input, and writes PNG. `python -I png_program.py FONT SCALE`.

It stands alone, so that it starts quickly; `services/segment/service/png.py` runs it.
"""

import sys


def main(font: str, scale: str) -> None:
    """Draws with this font only."""
    import resvg_py  # the group `charts`, which few installations have

    svg = sys.stdin.buffer.read().decode()
    made = resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True, font_files=[font], zoom=float(scale))
    sys.stdout.buffer.write(bytes(made))


if __name__ == "__main__":
    main(*sys.argv[1:])
