"""SVG of Matplotlib at a third of its size, with no difference that an eye could see.

A notebook holds tens of figures and must stay small.
"""

import re

NEEDLESS = re.compile(
    r"<!--.*?-->|<metadata>.*?</metadata>|(?<=>)\s+(?=<)|(?<=<g) id=\"[^\"]*\"| transform=\"rotate\(-0 [^\"]*\)\"",
    re.DOTALL,
)
"""Parts that nobody sees."""

STYLE = re.compile(r'(?<= style=")[^"]*')

FONT = re.compile(r" font-family: ([^;\"]*);")
PLACE = re.compile(r'(?<= [dxy]=")[^"]*')
NUMBER = re.compile(r"-?\d+\.\d{2,}")
STEP = re.compile(r"([ML]) (-?[\d.]+) (-?[\d.]+) ?")

LONG = 20
"""Steps from which on a path is worth writing as differences."""


def smaller(svg: str) -> str:
    """The same drawing: one font rule for all texts, four digits a coordinate, long paths as differences."""
    svg = NEEDLESS.sub("", svg)
    fonts = set(FONT.findall(svg))
    if len(fonts) == 1:
        svg = FONT.sub("", svg).replace("</style>", f" text{{font-family: {fonts.pop()}}}</style>", 1)
    svg = STYLE.sub(lambda style: style[0].replace(": ", ":").replace("; ", ";"), svg)
    return PLACE.sub(lambda place: _shorter(" ".join(place[0].split())), svg)


def _shorter(place: str) -> str:
    steps, rest = STEP.findall(place), STEP.sub("", place)
    if len(steps) > LONG and rest in ("", "z"):
        return _as_differences(steps) + rest
    return NUMBER.sub(lambda number: f"{float(number[0]):.4g}", place)


def _as_differences(steps: list[tuple[str, str, str]]) -> str:
    """Lines in tenths of a point relative to where the pen is, without letting the rounding add up."""
    here, parts = (0, 0), []
    for letter, x, y in steps:
        place = round(10 * float(x)), round(10 * float(y))
        parts.append(f"{letter.lower()}{_tenths(place[0] - here[0])} {_tenths(place[1] - here[1])}")
        here = place
    return "M0 0" + "".join(parts).replace(" -", "-")


def _tenths(number: int) -> str:
    """12 -> 1.2, 5 -> .5, 10 -> 1."""
    return f"{number / 10:g}".replace("0.", ".", 1) if abs(number) < 10 else f"{number / 10:g}"
