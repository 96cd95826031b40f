"""The book as a reader meets it: the one that `make book` left, served, and opened in a real browser."""

import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup
from playwright.sync_api import Browser, Page, Response, Route, ViewportSize, sync_playwright

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
TOC = yaml.safe_load((ROOT / "book/_toc.yml").read_text())
PAGES = [TOC["root"], *(chapter["file"] for part in TOC["parts"] for chapter in part["chapters"])]
PHONE, DESK = ViewportSize(width=400, height=800), ViewportSize(width=1280, height=900)
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

FAULTS = {
    "no alternative text": "all('.bd-article img').filter(img => !img.alt.trim()).map(img => img.src)",
    "no label": "all('.bd-article svg[role=img]:not(mjx-container *):not([aria-label])').map(e => e.id)",
    "broken image": "all('img').filter(img => !img.complete || !img.naturalWidth).map(img => img.src)",
    "broken formula": "all('mjx-merror').map(formula => formula.textContent)",
    "scrolls sideways": "all('html').filter(e => e.scrollWidth > e.clientWidth).map(e => e.scrollWidth)",
    "too wide": """all('.bd-article *').filter(element => {
        if (element.getBoundingClientRect().right <= document.documentElement.clientWidth + 1) return false
        for (let box = element.parentElement; box; box = box.parentElement)
            if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(box).overflowX)) return false
        return true
    }).map(element => element.outerHTML.slice(0, 100))""",
}
"""What a page may not show, each as an expression that lists where it does."""
ALL = "const all = selector => [...document.querySelectorAll(selector)]"


def dead_links(html: Path) -> list[str]:
    """Links and sources within a folder of pages that name no file there, or no anchor on it."""
    pages = {
        path: BeautifulSoup(path.read_text(), "html.parser")
        for path in html.rglob("*.html")
        if "_static" not in path.parts
    }
    anchors = {path: {tag["id"] for tag in soup.find_all(id=True)} for path, soup in pages.items()}
    dead = set()
    for path, soup in pages.items():
        for target in {str(tag.get("href") or tag.get("src")) for tag in soup.select("[href], [src]")}:
            place = urlsplit(urljoin(path.as_uri(), target))
            file, anchor = Path(unquote(place.path)), unquote(place.fragment)
            inside = place.scheme == "file"
            if inside and (not file.is_file() or (anchor and file in anchors and anchor not in anchors[file])):
                dead.add(f"{path.relative_to(html)} -> {target}")
    return sorted(dead)


@pytest.fixture(scope="module")
def html() -> Path:
    """The folder of a built book."""
    made = ROOT / "_build/html"
    assert (made / "index.html").is_file(), "there is no report to look at: run `make book` first"
    return made


class Handler(SimpleHTTPRequestHandler):
    """Serve files and say nothing."""

    def log_message(self, *_: object) -> None:
        """Leave the test's output alone."""


@contextmanager
def serve(folder: Path) -> Iterator[str]:
    """The address of a folder's files, on this machine alone."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def site(html: Path) -> Iterator[str]:
    """The book's address."""
    with serve(html) as address:
        yield address


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, as the system's packages install it."""
    if CHROMIUM is None:
        pytest.skip("no chromium here: install the system's package of that name")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)


class Reader:
    """Somebody with a phone and a desk who notes what goes wrong, and whom nothing from outside reaches."""

    def __init__(self, page: Page, site: str) -> None:
        self.page, self.site = page, site
        self.trouble: set[str] = set()
        page.context.route(re.compile(rf"^(?!{re.escape(site)}|data:|blob:)"), self.refuse)
        page.on("pageerror", lambda error: self.trouble.add(f"JavaScript: {error}"))
        page.on("response", self.note)

    def note(self, answer: Response) -> None:
        """Note an address that leads nowhere."""
        if answer.status >= 400:
            self.trouble.add(f"{answer.status}: {answer.url}")

    def refuse(self, route: Route) -> None:
        """Note a request to the outside."""
        self.trouble.add(f"outside: {route.request.url}")
        route.abort()

    def open(self, address: str) -> None:
        """Open a page and look at all of it at both sizes."""
        self.page.goto(f"{self.site}/{address}", wait_until="load")
        self.page.evaluate("() => window.MathJax?.startup?.promise")
        for size in (PHONE, DESK):
            self.page.set_viewport_size(size)
            for fault, where in FAULTS.items():
                self.trouble |= {
                    f"{fault}: {what}" for what in self.page.evaluate(f"() => {{ {ALL}; return {where} }}")
                }


@pytest.fixture
def reader(browser: Browser, site: str) -> Iterator[Reader]:
    """A reader of the book, for one test."""
    page = browser.new_page(viewport=PHONE)
    yield Reader(page, site)
    page.close()


@pytest.mark.parametrize("name", PAGES)
def test_page(reader: Reader, name: str) -> None:
    reader.open(f"{name}.html")
    assert reader.trouble == set()


def test_front_door(reader: Reader) -> None:
    reader.page.goto(reader.site)
    reader.page.wait_for_url(f"{reader.site}/{TOC['root']}.html")
    assert reader.trouble == set()


def test_search_finds(reader: Reader) -> None:
    reader.page.goto(f"{reader.site}/search.html?q=backtracking")
    reader.page.click("#search-results ul.search li a >> nth=0")
    assert "backtracking" in reader.page.inner_text(".bd-article").lower()
    assert reader.trouble == set()


def test_links_lead_somewhere(html: Path) -> None:
    assert dead_links(html) == []


def test_faults_are_found(browser: Browser, tmp_path: Path) -> None:
    """A page with one fault of each kind, the address of no machine among them."""
    (tmp_path / "faulty.html").write_text(
        "<div class=bd-article><img src=gone.png> <a href=gone.html>x</a> <a href='#gone'>x</a>"
        "<img src='http://outside.invalid/x.png' alt=x> <svg role=img></svg> <mjx-merror>x</mjx-merror>"
        "<table width=2000><tr><td>wide</td></tr></table></div><script>throw Error('thrown')</script>"
    )
    with serve(tmp_path) as site:
        page = browser.new_page(viewport=PHONE)
        reader = Reader(page, site)
        reader.open("faulty.html")
        page.close()
    assert {line.split(":")[0] for line in reader.trouble} == {"JavaScript", "404", "outside", *FAULTS}
    assert dead_links(tmp_path) == [
        "faulty.html -> #gone",
        "faulty.html -> gone.html",
        "faulty.html -> gone.png",
    ]
