"""Give each figure of a notebook its alternative text: the title that the SVG itself carries."""

from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx

TITLE = "{http://www.w3.org/2000/svg}title"


def _alternative_text(app: Sphinx, doctree: nodes.document) -> None:
    """Copy `<title>` of every SVG to the `alt` of the image that shows it, where none is given."""
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir, image["uri"].lstrip("/"))
        if "alt" not in image and path.suffix == ".svg" and path.is_file():
            title = ElementTree.parse(path).getroot().find(TITLE)
            if title is not None and title.text:
                image["alt"] = " ".join(title.text.split())


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-read", _alternative_text)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
