#!/usr/bin/env bash
# resvg-py 0.5.0 (resvg 0.48) and vl-convert-python 1.9.0.post1 draw an SVG without some of its text, and say nothing.
#
# Most expect: a font file that is not there is an error, `sans-serif` is whatever sans-serif font there is, and a text
# without a font is at least boxes.
# resvg-py takes a font file that does not exist; a text of a family that it does not have is left out whole, and so is
# one in `sans-serif` beside a font that is given: the generic name means Arial until `sans_serif_family` says more. The
# PNG is as large as it should be, with its lines and without its words. vl-convert takes a font folder that does not
# exist, leaves out a text of an unknown family, and draws Chinese in `sans-serif` as boxes until a font is registered.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check resvg-py==0.5.0 vl-convert-python==1.9.0.post1 \
  noto-cjk-sans-otc==0.0.1
FONTCONFIG_FILE=/dev/null "$work/venv/bin/python" - <<'PYTHON'
import noto_cjk_sans_otc
import resvg_py
import vl_convert

FONT = str(noto_cjk_sans_otc.FONT_PATH)
NAMED = "Noto Sans CJK SC"


def svg(family, text):
    text = f'<text y="30" font-size="24" font-family="{family}">{text}</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="40">{text}</svg>'


def drawn(family, text, files, **more):
    return resvg_py.svg_to_bytes(svg_string=svg(family, text), skip_system_fonts=True, font_files=files, **more)


def tell(what, found, expected):
    print(f"{what:62} {found}")
    assert found == expected


EMPTY = drawn(NAMED, "", [FONT])
tell("resvg-py, font and family given: text is drawn", drawn(NAMED, "Gold", [FONT]) != EMPTY, True)
tell("resvg-py, a font file that does not exist: text is drawn", drawn(NAMED, "Gold", ["/no/such.ttc"]) != EMPTY, False)
tell("resvg-py, font given, family sans-serif: text is drawn", drawn("sans-serif", "Gold", [FONT]) != EMPTY, False)
named = drawn("sans-serif", "Gold", [FONT], sans_serif_family=NAMED)
tell("resvg-py, and sans_serif_family given: text is drawn", named != EMPTY, True)

png = vl_convert.svg_to_png
box = png(svg("sans-serif", "\ue000"))  # for private use: no font has a glyph for it
vl_convert.register_font_directory("/no/such/folder")
tell("vl-convert, after a folder that does not exist: 金 is a box", png(svg("sans-serif", "金")) == box, True)
vl_convert.register_font_directory(FONT.rpartition("/")[0])
tell("vl-convert, after a folder with a Chinese font: 金 is a box", png(svg("sans-serif", "金")) == box, False)
tell("vl-convert, an unknown family: text is drawn", png(svg("No Such", "Gold")) != png(svg("No Such", "")), False)
PYTHON
