"""Let the API page show the line under a field as it is written."""

from sphinx.application import Sphinx


def _keep_colons(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Stop napoleon from reading "Slip: chance that ..." under a field as a type and its description."""
    if what in ("attribute", "data"):
        lines.insert(0, "\\ ")  # draws nothing, and the line napoleon looks at holds no colon


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("autodoc-process-docstring", _keep_colons, priority=400)  # before napoleon's 500
    return {"parallel_read_safe": True, "parallel_write_safe": True}
