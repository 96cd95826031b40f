"""Which numbers of the book moved against the committed ones."""

import json
import math
import re
import subprocess
from pathlib import Path

import pandas as pd

TOLERANCE = 1e-3
"""Relative difference up to which a number has not moved; other processors differ in the last digits."""

NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
PREFIX = "application/papermill.record/"


def moved_numbers(root: Path, pages: list[str]) -> str:
    """A table of glued values that differ between the executed notebooks and the commit they came from."""
    rows = []
    for page in pages:
        path = f"papermill_runs/{page}.ipynb"
        before, now = glued(committed(root, path)), glued((root / path).read_text())
        rows += [
            {"page": page, "number": name, "committed": before.get(name, "-"), "now": now.get(name, "-")}
            for name in sorted(before.keys() | now.keys())
            if moved(before.get(name), now.get(name))
        ]
    if not rows:
        return "no number moved against the committed pages"
    return f"{len(rows)} numbers moved against the committed pages:\n" + pd.DataFrame(rows).to_string(index=False)


def committed(root: Path, path: str) -> str:
    """A file as it was committed; an empty notebook if it was not."""
    result = subprocess.run(
        ["git", "-C", str(root), "show", f"HEAD:{path}"], capture_output=True, text=True, check=False
    )
    return result.stdout if result.returncode == 0 else '{"cells": []}'


def glued(notebook: str) -> dict[str, str]:
    """Values by name that a notebook glued."""
    values = {}
    for cell in json.loads(notebook)["cells"]:
        for output in cell.get("outputs", ()):
            name = output.get("metadata", {}).get("scrapbook", {}).get("name")
            text = output.get("data", {}).get(f"{PREFIX}text/plain")
            if name and text is not None:
                values[name] = "".join(text).strip("'")
    return values


def moved(before: str | None, now: str | None) -> bool:
    """Whether a text changed by more than its numbers' tolerance."""
    if before is None or now is None:
        return before is not now
    if NUMBER.sub("#", before) != NUMBER.sub("#", now):
        return True
    pairs = zip(NUMBER.findall(before), NUMBER.findall(now), strict=True)
    return not all(math.isclose(float(a), float(b), rel_tol=TOLERANCE) for a, b in pairs)
