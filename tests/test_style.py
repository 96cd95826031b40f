"""The house style, measured: small files, short functions, names explained, nothing twice."""

import ast
import re
import subprocess
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path
from statistics import median, quantiles

import pytest

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES, MEDIAN_FUNCTION_LINES, P90_FUNCTION_LINES = 60, 10, 30
MAX_SIMILARITY = 0.6
MAX_CHECKOUT_BYTES, MAX_NOTEBOOK_BYTES = 40 * 2**20, 10**6

FOREIGN = {
    "a path of one machine": r"(?<![\w.])/(?:work|root|home|Users|tmp|mnt|opt|farm)/(?!\.\.)\w",
    "a folder outside the repository": r"\.\./shared/|(?<!torch)[.]library\b",
    "a number of an issue or session": r"(?i)\b(?:issue|session) #?\d",
    "a package registry": r"(?i)\bpypi[.]|python[h]osted|(?:index|extra-index)-url|find-[l]inks",
}
"""What no file may hold, and how it is recognised; written so that no pattern finds itself."""
TEXT = {
    ".py",
    ".md",
    ".yml",
    ".yaml",
    ".toml",
    ".cff",
    ".txt",
    ".bib",
    ".css",
    ".ipynb",
    ".json",
    ".csv",
    ".svg",
    "",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.fixture(scope="session")
def files(root: Path) -> list[Path]:
    """Files that are in the repository or would be with the next commit."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout.split("\0")
    return sorted({root / name for name in names if name and (root / name).is_file()})


@pytest.fixture(scope="session")
def sources(root: Path, files: list[Path]) -> dict[str, str]:
    """Every Python file of the repository, as text."""
    return {str(path.relative_to(root)): path.read_text() for path in files if path.suffix == ".py"}


@pytest.fixture(scope="session")
def package(sources: dict[str, str]) -> dict[str, ast.Module]:
    """The package's modules, parsed."""
    return {name: ast.parse(text) for name, text in sources.items() if name.startswith("recall/")}


def functions(tree: ast.AST) -> list[Function]:
    """Every function and method, nested ones too."""
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def code_lines(function: Function) -> int:
    """Lines of a function that hold code: its docstring counts for nothing, so that prose is free."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def undocumented(tree: ast.Module) -> Iterator[str]:
    """Public names without a docstring, and settings without a line that gives their source."""
    if tree.body and ast.get_docstring(tree) is None:
        yield "the module"
    for node in tree.body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            if ast.get_docstring(node) is None:
                yield node.name
            if isinstance(node, ast.ClassDef):
                yield from (f"{node.name}.{name}" for name in undocumented_members(node))


def undocumented_members(cls: ast.ClassDef) -> Iterator[str]:
    """The same within a class; an overriding method speaks through its class, as @override marks it."""
    overriding = {f.name for f in functions(cls) if any("override" in ast.unparse(d) for d in f.decorator_list)}
    for node, following in zip(cls.body, [*cls.body[1:], None], strict=True):
        if isinstance(node, Function) and not node.name.startswith("_") and node.name not in overriding:
            if ast.get_docstring(node) is None:
                yield node.name
        elif isinstance(node, ast.AnnAssign) and cls.name.endswith("Config"):
            documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if not documented:
                yield ast.unparse(node.target)


def significant(source: str) -> list[str]:
    """Lines by which files are compared: without blanks, imports and indentation."""
    lines = (line.strip() for line in source.splitlines())
    return [line for line in lines if line and not line.startswith(("import ", "from ", "#"))]


def similarity(a: list[str], b: list[str]) -> float:
    """Share of lines that two files have in common, in order; 0 where the sets of lines rule it out."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() > MAX_SIMILARITY else 0.0


def foreign(text: str) -> list[str]:
    """What a text holds that belongs to a machine, a workplace or another day."""
    return [f"{what}: {found[0]}" for what, rule in FOREIGN.items() if (found := re.search(rule, text))]


def test_files_are_short(sources: dict[str, str]) -> None:
    lengths = {name: len(text.splitlines()) for name, text in sources.items()}
    assert {name: n for name, n in lengths.items() if n > MAX_FILE_LINES} == {}


def test_functions_are_short(package: dict[str, ast.Module]) -> None:
    lengths = {(name, f.name, f.lineno): code_lines(f) for name, tree in package.items() for f in functions(tree)}
    assert {where: n for where, n in lengths.items() if n > MAX_FUNCTION_LINES} == {}
    assert median(lengths.values()) <= MEDIAN_FUNCTION_LINES
    assert quantiles(lengths.values(), n=10)[-1] <= P90_FUNCTION_LINES


def test_public_names_are_documented(package: dict[str, ast.Module]) -> None:
    assert [f"{name}: {what}" for name, tree in package.items() for what in undocumented(tree)] == []


def test_no_two_files_are_nearly_the_same(sources: dict[str, str]) -> None:
    lines = {name: significant(text) for name, text in sources.items()}
    pairs = combinations([name for name, found in lines.items() if len(found) > 10], 2)
    assert [(a, b) for a, b in pairs if similarity(lines[a], lines[b]) > MAX_SIMILARITY] == []


def test_files_speak_of_the_project_alone(root: Path, files: list[Path]) -> None:
    texts = {path: path.read_text() for path in files if path.suffix in TEXT}
    assert [f"{path.relative_to(root)}: {what}" for path, text in texts.items() for what in foreign(text)] == []


def test_the_checkout_is_small(files: list[Path]) -> None:
    assert sum(path.stat().st_size for path in files) < MAX_CHECKOUT_BYTES
    assert [path for path in files if path.suffix == ".ipynb" and path.stat().st_size > MAX_NOTEBOOK_BYTES] == []


@pytest.mark.parametrize("text", ["see /" + "home/me/x", "mended in issue" + " #7", "pip --index" + "-url x"])
def test_foreign_text_is_found(text: str) -> None:
    assert len(foreign(text)) == 1


@pytest.mark.parametrize("text", ["a/b/home", "the issue is", "book/_static/", "papermill_runs/local/", "a session"])
def test_own_text_is_not(text: str) -> None:
    assert foreign(text) == []


def test_missing_documentation_is_found() -> None:
    source = 'class AConfig:\n    """A."""\n    x: int\n    y: int\n    """Ours."""\n    def f(self): ...'
    assert list(undocumented(ast.parse(source))) == ["the module", "AConfig.x", "AConfig.f"]


def test_a_copy_is_found(sources: dict[str, str]) -> None:
    lines = significant(sources["tests/test_style.py"])
    assert similarity(lines, [line.replace("files", "paths") for line in lines]) > MAX_SIMILARITY
