"""Colours that people with any colour vision can tell apart, on white."""

from typing import Final

WHITE: Final = "#ffffff"
INK: Final = "#1b1f24"  # titles, values
SOFT_INK: Final = "#4a5159"  # axes, remarks
FAINT: Final = "#d9dee3"  # lines of a grid, which carry no meaning
BAR: Final = "#0072b2"
ENTERED: Final = "#0072b2"
EXITED: Final = "#d55e00"

# After Okabe and Ito, "Color Universal Design" (2008), of their colours those that stand out from white by 3:1 or more,
# and darker ones in place of the others. Lines differ by their dashes, too.
SERIES: Final = ("#0072b2", "#d55e00", "#00705a", "#8c2d8c", "#6b5200", "#1b1f24")
DASHES: Final = ("", "8 3", "2 3", "10 3 2 3", "5 5", "14 4")

BANDS: Final = ("#cfe3f2", "#e6f0f7", "#f5f6f7")  # behind the classes A, B, C
_LOW: Final = (240, 246, 251)
_HIGH: Final = (114, 180, 222)  # as dark as dark text on it allows


def heat(share: float) -> str:
    """Returns the colour of a cell that holds this share, 0 to 1, of what the fullest one holds; white for none."""
    if share <= 0:
        return WHITE
    parts = (round(low + (high - low) * min(share, 1.0)) for low, high in zip(_LOW, _HIGH, strict=True))
    return "#" + "".join(f"{part:02x}" for part in parts)


def contrast(one: str, other: str) -> float:
    """Returns the contrast of two colours, 1 to 21. Source: WCAG 2.2, "contrast ratio"."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
