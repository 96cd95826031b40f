"""Keep the book free of the network: a MathJax of its own, and no script that asks a server for a kernel."""

import shutil
from importlib.metadata import distribution
from pathlib import Path

from sphinx.application import Sphinx

MATHJAX = "sphinx-mathjax-offline/static/mathjax/tex-svg.js"


def _drop_thebe(app: Sphinx, page: str, template: str, context: dict, doctree: object) -> None:
    """Leave out thebe, which the theme declares twice (a JavaScript error) and which needs Binder anyway."""

    def source(script: object) -> str:
        return str(getattr(script, "filename", "")) + str(getattr(script, "attributes", {}).get("body", ""))

    context["script_files"] = [s for s in context["script_files"] if "thebe" not in source(s).lower()]


def _copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Copy the one file of MathJax that the pages load; it draws in SVG and so needs no fonts."""
    if error is None and app.builder.format == "html":
        target = Path(app.outdir, "_static", "mathjax")
        target.mkdir(parents=True, exist_ok=True)
        # The distribution's importable name holds hyphens: its files can be located, never imported.
        shutil.copy(Path(str(distribution("sphinx-mathjax-offline").locate_file(MATHJAX))), target)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.config.mathjax_path = "mathjax/tex-svg.js"
    app.connect("html-page-context", _drop_thebe, priority=900)
    app.connect("build-finished", _copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
