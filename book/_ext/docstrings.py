"""Let the API page show docstrings as written: types stand in the signatures, so a colon begins none."""

from numpy.typing import ArrayLike
from sphinx.application import Sphinx

NOTHING = "\\ "
"""Draws nothing; at the head of a passage it keeps napoleon from taking "Slip: chance ..." for a type."""


def _keep_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Guard the line under a field and the passage on what a function returns."""
    if what in ("attribute", "data", "property"):
        lines.insert(0, NOTHING)
    for place, line in enumerate(lines):
        if line.strip() == "Returns:":
            lines.insert(place + 1, " " * (len(line) - len(line.lstrip()) + 4) + NOTHING)


def _name_array_like(app: Sphinx, obj: object, bound: bool) -> None:
    """Call NumPy's union of six private types by its name, which `autodoc_type_aliases` then keeps."""
    annotations = getattr(obj, "__annotations__", {})
    annotations.update({name: "ArrayLike" for name, kind in annotations.items() if kind == ArrayLike})


def _skip(app: Sphinx, what: str, name: str, obj: object, skip: bool, options: object) -> bool | None:
    """Leave out the docstrings that Python gives the fields of named tuples."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.config.autodoc_type_aliases = {"ArrayLike": "numpy.typing.ArrayLike"}
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # before napoleon's 500
    app.connect("autodoc-skip-member", _skip)
    app.connect("autodoc-before-process-signature", _name_array_like)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
