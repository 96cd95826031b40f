"""Execute pages and build the book."""

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from recall.cluster import cores
from recall.errors import ParameterError, RecallError
from recall.identity import canonical_json
from recall.moved import moved_numbers
from recall.notebooks import check_cell, execute, read
from recall.page_parameters import PageParameters
from recall.pages import PAGES, PUBLISHED_BUILD, runs_folder, stocked, store
from recall.parameters import check_parameters
from recall.runs import RunSpec
from recall.store import refuse_unwritable
from recall.sweep import train_missing
from recall.training import steps_of

LIVE = "live"
"""The page that trains while the book is built; its executed copy differs each time and is not committed."""


def notebooks() -> list[str]:
    """Pages that are executed notebooks, as `book/_toc.yml` names them, in its order."""
    toc = (runs_folder().parent / "book" / "_toc.yml").read_text(encoding="utf-8")
    return re.findall(r"^.*: papermill_runs/(\S+)$", toc, re.MULTILINE)


def source_of(page: str) -> Path:
    """Source of a page's notebook."""
    return runs_folder().parent / "book" / "notebooks" / f"{page}.md"


def parameters_of(page: str) -> type[PageParameters]:
    """What a page may be executed with."""
    if page not in PAGES:
        raise ParameterError(f"there is no page {page!r} to run; choose from {', '.join(PAGES)}")
    return PAGES[page]


def execute_page(page: str, raw: Mapping[str, str], workers: int | None, output: Path | None) -> Path:
    """Train what a page lacks, with a progress bar, and execute its notebook; returns where it went.

    Raises:
        ParameterError: unknown page, or a parameter it does not have or cannot take.
        RecallError: there is no such notebook, or it has other parameters; nothing was trained.
    """
    schema = parameters_of(page)
    values = check_parameters(schema, raw)
    check_cell(read(source_of(page)), schema)
    if output is not None:
        if output.suffix != ".ipynb" or output.is_dir():
            raise ParameterError(f"output is {output}; it must be a file that ends in .ipynb")
        refuse_unwritable(output.parent)
    specs = schema(**values).specs()
    train(specs, workers, local=True)
    digest = hashlib.sha256(canonical_json(values).encode()).hexdigest()[:8] if values else "published"
    output = output or runs_folder() / "local" / f"{page}-{digest}.ipynb"
    output.parent.mkdir(parents=True, exist_ok=True)
    execute(source_of(page), output, values, schema, cwd=output.parent)
    return output


def publish_page(page: str, workers: int | None) -> Path:
    """Train the published runs of a page that are missing, and execute it."""
    schema = parameters_of(page)
    check_cell(read(source_of(page)), schema)
    train(schema().specs(), workers, local=False)
    return execute_published(page)


def train(specs: list[RunSpec], workers: int | None, local: bool) -> None:
    """Say what is missing and train it; what is published must lie among the published records itself."""
    found = stocked(specs, local)
    steps = sum(map(steps_of, found.lacking))
    print(f"{len(specs)} groups of runs: {len(found.records)} stored, {len(found.lacking)} to train", end="")
    print(f" ({steps / 1e6:.1f} million environment steps)" if found.lacking else "", flush=True)
    if found.elsewhere:
        print(found.in_words(), flush=True)
    train_missing(found.lacking, store(local), workers)


def execute_published(page: str) -> Path:
    """Execute a page from the published records only; what it writes to stderr is a failure."""
    output, published = runs_folder() / f"{page}.ipynb", {PUBLISHED_BUILD: "1"}
    execute(source_of(page), output, {}, PAGES.get(page), False, env=published, cwd=runs_folder(), silent=True)
    return output


def executed(pages: list[str]) -> Iterator[str]:
    """Execute pages from the published records, one on every core; gives each back in turn once it is done."""
    with ProcessPoolExecutor(cores(), get_context("spawn")) as pool:
        try:
            for page, _ in zip(pages, pool.map(execute_published, pages), strict=True):
                yield page
        finally:
            pool.shutdown(cancel_futures=True)


def build() -> None:
    """Execute every page, build the HTML, and say which numbers moved."""
    pages = notebooks()
    print(f"executing {len(pages)} pages from the stored records; the page {LIVE} trains one of them again", flush=True)
    for page in executed(pages):
        print(f"  {page}", flush=True)
    root = runs_folder().parent
    build_html(root)
    print(f"the book: {root / '_build' / 'html' / 'index.html'}")
    print(moved_numbers(root, [page for page in pages if page != LIVE]))


def build_html(root: Path) -> None:
    """Assemble the book of the checkout `root` in its `_build`; a warning is an error."""
    shutil.rmtree(root / "_build", ignore_errors=True)
    jupyter_book = str(Path(sys.executable).with_name("jupyter-book"))
    command = [jupyter_book, "build", ".", "--toc", "book/_toc.yml", "--path-output", "."]
    result = subprocess.run([*command, "-W", "-n", "--keep-going", "-q"], cwd=root, check=False)
    if result.returncode:
        raise RecallError(
            f"the book was not built: jupyter-book ended with {result.returncode}; its messages are above"
        )
