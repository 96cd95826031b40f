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
LINE = re.compile(r'<path((?: id="[^"]*")?) d="([^"]*)"((?: clip-path="[^"]*")?)((?: style="[^"]*")?)/>')
STEP = re.compile(r"([ML]) (-?[\d.]+) (-?[\d.]+)\s*")
LENGTH = re.compile(r"(?<=stroke-)(width|dasharray|dashoffset):([\d.,]+)")

LONG = 20
"""Steps from which on a path is worth writing as differences."""

FINE = 10
"""Parts of a point that a long path is counted in."""


def smaller(svg: str) -> str:
    """The same drawing: one font rule for all texts, four digits a coordinate, long paths as differences."""
    svg = NEEDLESS.sub("", svg)
    fonts = set(FONT.findall(svg))
    if len(fonts) == 1:
        svg = FONT.sub("", svg).replace("</style>", f" text{{font-family: {fonts.pop()}}}</style>", 1)
    svg = STYLE.sub(lambda style: style[0].replace(": ", ":").replace("; ", ";"), svg)
    svg = LINE.sub(_in_fine_units, svg)
    return PLACE.sub(lambda place: NUMBER.sub(_rounded, " ".join(place[0].split())), svg)


def _rounded(number: re.Match[str]) -> str:
    return f"{float(number[0]):.4g}"


def _in_fine_units(line: re.Match[str]) -> str:
    """A long path in whole tenths of a point, drawn at a tenth of its size; its clip counts in points and stays out."""
    name, place, clip, style = line.groups()
    steps, rest = STEP.findall(place), STEP.sub("", place).strip()
    if len(steps) <= LONG or rest not in ("", "z"):
        return line[0]
    style = LENGTH.sub(lambda found: f"{found[1]}:{','.join(map(_enlarged, found[2].split(',')))}", style)
    path = f'<path{name} transform="scale({1 / FINE:g})" d="{_as_differences(steps)}{rest}"{style}/>'
    return f"<g{clip}>{path}</g>" if clip else path


def _enlarged(length: str) -> str:
    return f"{FINE * float(length):g}"


def _as_differences(steps: list[tuple[str, str, str]]) -> str:
    """Lines relative to where the pen is, without letting the rounding add up."""
    here, parts = (0, 0), []
    for letter, x, y in steps:
        place = round(FINE * float(x)), round(FINE * float(y))
        parts.append(f"{letter.lower()}{place[0] - here[0]} {place[1] - here[1]}")
        here = place
    return "".join(parts).replace(" -", "-")
