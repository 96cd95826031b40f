"""The API page: every module once, under the group of its layer."""

import re
from pathlib import Path

NOT_AN_INTERFACE = {"cli"}
"""Modules that the command line speaks for."""


def test_every_module_is_on_the_page_once(root: Path) -> None:
    package = root / "recall"
    paths = (path.relative_to(package).with_suffix("") for path in package.rglob("*.py") if path.stem != "__init__")
    modules = {".".join(path.parts) for path in paths} - NOT_AN_INTERFACE
    listed = re.findall(r"^\.\. automodule:: recall\.(\S+)$", (root / "book" / "api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(modules)


def test_headings_name_their_modules(root: Path) -> None:
    text = (root / "book" / "api.md").read_text()
    assert re.findall(r"^### `recall\.(\S+)`$", text, re.MULTILINE) == re.findall(
        r"^\.\. automodule:: recall\.(\S+)$", text, re.MULTILINE
    )
