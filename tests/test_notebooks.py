"""The strict runner: what it refuses, what it leaves behind, and what it writes."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import nbformat
import papermill
import pytest

from recall.errors import ConfigError, ParameterError, RecallError
from recall.notebooks import cell_parameters, check_cell, execute, read
from recall.parameters import check_parameters

HEADER = """---
kernelspec:
  name: some-other-kernel
  display_name: Elsewhere
---

# A page

"""

PAGE = """```{code-cell}
from typing import Optional
```

```{code-cell}
:tags: [parameters]

side: int = 11  # cells along one side
rate = 0.5
name = "ab"  # a word
sizes = (1, 2)
limit: Optional[int] = None  # none for no limit
```

```{code-cell}
import os, sys
print(repr((side, rate, name, tuple(sizes), limit)))
print(os.environ.get("RECALL_TEST_WORD"), os.getcwd())
```

```{code-cell}
from IPython.display import display
metadata = {"image/svg+xml": {"alt": f"a square of side {side}"}}
display({"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg'/>"}, raw=True, metadata=metadata)
```
"""


@dataclass(frozen=True)
class Page:
    side: int = 11
    rate: float = 0.5
    name: str = "ab"
    sizes: tuple[int, ...] = (1, 2)
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.side < 7:
            raise ConfigError(f"side is {self.side}; it must be 7 or more")


@dataclass(frozen=True)
class Kinds:
    whole: int = 1
    real: float = 1.0
    flag: bool = False
    text: str = ""
    maybe: float | None = None
    many: tuple[int, ...] = ()
    words: tuple[str, ...] = ()
    mode: Literal["quick", "full"] = "quick"


def cell(code: str, tags: str = "") -> str:
    return f"```{{code-cell}}\n:tags: [{tags}]\n\n{code}\n```\n\n"


def write(folder: Path, *cells: str) -> Path:
    path = folder / "page.md"
    path.write_text(HEADER + "".join(cells))
    return path


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def printed(notebook: Any) -> str:
    return "".join(o.text for c in notebook.cells for o in c.get("outputs", []) if o.output_type == "stream")


# Parameters


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("whole", "7", 7),
        ("whole", -2, -2),
        ("real", "1e-3", 0.001),
        ("real", 3, 3.0),
        ("flag", "true", True),
        ("flag", "False", False),
        ("text", "7", "7"),
        ("text", "none", "none"),
        ("maybe", "none", None),
        ("maybe", None, None),
        ("maybe", "2", 2.0),
        ("many", "11,15, 19", (11, 15, 19)),
        ("many", "(11,)", (11,)),
        ("many", "[]", ()),
        ("many", [1, 2], (1, 2)),
        ("words", "a, b", ("a", "b")),
        ("mode", "full", "full"),
    ],
)
def test_values_take_the_type_of_their_field(name: str, given: object, value: object) -> None:
    checked = check_parameters(Kinds, {name: given})
    assert checked == {name: value}
    assert type(checked[name]) is type(value)


@pytest.mark.parametrize(
    ("name", "given", "allowed"),
    [
        ("whole", "1.5", "a whole number"),
        ("whole", "abc", "a whole number"),
        ("whole", True, "a whole number"),
        ("whole", 1.0, "a whole number"),
        ("whole", None, "a whole number"),
        ("real", "nan", "a finite number"),
        ("real", float("inf"), "a finite number"),
        ("flag", "1", "true or false"),
        ("flag", 1, "true or false"),
        ("text", 3, "text"),
        ("maybe", "few", "a finite number or none"),
        ("many", "1,b", "a list such as 1,2,3 where each is a whole number"),
        ("many", 3, "a list such as 1,2,3 where each is a whole number"),
        ("many", [1, True], "a list such as 1,2,3 where each is a whole number"),
        ("mode", "slow", "'quick' or 'full'"),
        ("mode", ["quick"], "'quick' or 'full'"),
    ],
)
def test_ill_typed_values_are_refused(name: str, given: object, allowed: str) -> None:
    with pytest.raises(ParameterError) as refusal:
        check_parameters(Kinds, {name: given})
    assert str(refusal.value) == f"{name} is {given!r}; it must be {allowed}"


def test_unknown_names_are_refused_with_the_nearest_and_all() -> None:
    with pytest.raises(ParameterError) as refusal:
        check_parameters(Page, {"side": 9, "sidde": 9})
    assert str(refusal.value) == (
        "there is no parameter 'sidde'; the nearest is 'side', this page takes side, rate, name, sizes, limit"
    )
    with pytest.raises(ParameterError, match="there is no parameter 'side'; this page takes none"):
        check_parameters(None, {"side": 9})
    assert check_parameters(None, {}) == {}


def test_what_the_dataclass_refuses_passes_through() -> None:
    with pytest.raises(ConfigError, match="side is 5; it must be 7 or more"):
        check_parameters(Page, {"side": "5"})


def test_the_parameters_cell_must_name_the_fields(tmp_path: Path) -> None:
    notebook = read(write(tmp_path, PAGE))
    assert cell_parameters(notebook) == ["side", "rate", "name", "sizes", "limit"]
    check_cell(notebook, Page)
    check_cell(read(write(tmp_path, cell("x = 1"))), None)
    with pytest.raises(RecallError, match="dataclass has nothing; they differ in limit, name, rate"):
        check_cell(notebook, None)


@pytest.mark.parametrize(
    ("line", "written", "odd"),
    [
        ("side: int = 11", "sides: int = 11", "side, sides"),
        ("rate = 0.5", "", "rate"),
        ("Optional[int]", "int | None", "limit"),
        ("# a word", "# a word = text", "name"),
    ],
)
def test_a_cell_that_papermill_reads_differently_is_refused(tmp_path: Path, line: str, written: str, odd: str) -> None:
    with pytest.raises(RecallError, match=f"they differ in {odd}$"):
        check_cell(read(write(tmp_path, PAGE.replace(line, written))), Page)


# What a success leaves


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def executed(folder: Path) -> Path:
    """An executed page, given one parameter as text and one typed."""
    output = folder / "runs" / "page{x}.ipynb"
    execute(
        write(folder, PAGE),
        output,
        {"side": "13", "sizes": (3, 4)},
        Page,
        progress=False,
        env={"RECALL_TEST_WORD": "hello"},
    )
    return output


def test_parameters_environment_and_folder_reach_the_kernel(executed: Path, folder: Path) -> None:
    notebook = nbformat.read(executed, as_version=4)
    assert printed(notebook) == f"(13, 0.5, 'ab', (3, 4), None)\nhello {folder}\n"
    assert "RECALL_TEST_WORD" not in os.environ
    nbformat.validate(notebook)


def test_nothing_else_is_left_behind(executed: Path) -> None:
    assert names_in(executed.parent) == [executed.name]


def test_metadata_hold_the_parameters_and_nothing_of_the_moment(executed: Path, folder: Path) -> None:
    notebook = json.loads(executed.read_text())
    assert sorted(notebook["metadata"]) == ["kernelspec", "language_info", "recall"]
    assert notebook["metadata"]["recall"] == {"parameters": {"side": 13, "sizes": [3, 4]}}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "version" not in notebook["metadata"]["language_info"]
    cells = notebook["cells"]
    assert [c["id"] for c in cells] == [f"cell-{i}" for i in range(len(cells))]
    assert [c["metadata"] for c in cells] == [
        {},
        {},
        {"tags": ["parameters"]},
        {"tags": ["injected-parameters", "hide-input"]},
        {},
        {"mystnb": {"image": {"alt": "a square of side 13"}}},
    ]
    assert cells[-1]["outputs"][0]["metadata"] == {}


def test_a_second_execution_gives_the_same_bytes(executed: Path, folder: Path, tmp_path: Path) -> None:
    execute(
        folder / "page.md",
        tmp_path / "again.ipynb",
        {"side": 13, "sizes": "3,4"},
        Page,
        progress=False,
        env={"RECALL_TEST_WORD": "hello"},
    )
    assert (tmp_path / "again.ipynb").read_bytes() == executed.read_bytes()


@pytest.mark.parametrize(("given", "rate", "n_cells"), [({"rate": 2}, 2.0, 6), ({}, 0.5, 5)])
def test_an_executed_notebook_is_a_source_again(
    executed: Path, tmp_path: Path, given: dict[str, float], rate: float, n_cells: int
) -> None:
    before = executed.read_bytes()
    other = execute(executed, tmp_path / "other.ipynb", given, Page, progress=False, cwd=tmp_path)
    assert printed(other) == f"(11, {rate}, 'ab', (1, 2), None)\nNone {tmp_path}\n"
    assert other.metadata.recall.parameters == given
    assert len(other.cells) == n_cells
    assert executed.read_bytes() == before


def test_plain_papermill_takes_an_executed_notebook(
    executed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = tmp_path / "source.ipynb"
    source.write_bytes(executed.read_bytes())
    given = {"side": 15, "limit": 3}
    done = papermill.execute_notebook(source, tmp_path / "out.ipynb", given, progress_bar=False)
    assert printed(done).startswith("(15, 0.5, 'ab', (1, 2), 3)\n")
    assert "Passed unknown parameter" not in caplog.text


def test_the_book_shows_the_alternative_text(executed: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "index.ipynb").write_bytes(executed.read_bytes())
    (source / "conf.py").write_text("extensions = ['myst_nb']\nnb_execution_mode = 'off'\n")
    build = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html"]
    done = subprocess.run([*build, source, tmp_path / "html"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert 'alt="a square of side 13"' in (tmp_path / "html" / "index.html").read_text()


def test_different_alternative_texts_in_one_cell_are_refused(tmp_path: Path) -> None:
    two = """for alt in "ab":
    display({"image/svg+xml": "<svg/>"}, raw=True, metadata={"image/svg+xml": {"alt": alt}})"""
    with pytest.raises(RecallError, match="cell 'for alt in \"ab\":' has images with different alternative"):
        execute(write(tmp_path, cell(two)), tmp_path / "out.ipynb", {}, None, progress=False)


# What a failure leaves


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            [cell("# divide\n1 / 0")],
            "page.md failed: cell '# divide' raised ZeroDivisionError: division by zero",
        ),
        (
            [cell("1 / 0", "raises-exception"), cell("x = 1")],
            "page.md failed: cell '1 / 0' raised ZeroDivisionError",
        ),
        ([cell("import sys\nsys.exit(0)"), cell("x = 1")], "page.md failed: cell 'import sys' "),
        ([cell("x = 1", "skip-execution")], "page.md failed: cell 'x = 1' never ran"),
        ([cell("import os\nos._exit(3)")], "page.md failed: cell 'import os' raised DeadKernelError: "),
        (
            [cell("import time"), cell("time.sleep(60)")],
            "page.md failed: cell 'time.sleep(60)' raised CellTimeout",
        ),
    ],
)
def test_a_failure_names_the_cell_and_keeps_the_output(
    tmp_path: Path, cells: list[str], sentence: str, capfd: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.ipynb"
    output.write_text("as it was")
    source = write(tmp_path, *cells)
    with pytest.raises(RecallError) as failure:
        execute(source, output, {}, None, progress=False, timeout=2)
    assert str(failure.value).startswith(sentence)
    assert "\n" not in str(failure.value)
    assert output.read_text() == "as it was"
    assert names_in(tmp_path) == ["out.ipynb", "page.md"]
    assert "without encryption" not in capfd.readouterr().err


def test_a_failed_write_keeps_the_output(executed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "out.ipynb"
    output.write_text("as it was")

    def full_disk(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="no space left"):
        execute(write(tmp_path, "Words only.\n"), output, {}, None, progress=False)
    assert output.read_text() == "as it was"
    assert names_in(tmp_path) == ["out.ipynb", "page.md"]


def test_a_refused_parameter_starts_no_kernel(tmp_path: Path) -> None:
    source = write(tmp_path, PAGE, cell("open('touched', 'w').close()"))
    with pytest.raises(ParameterError, match="nearest is 'side'"):
        execute(source, tmp_path / "out.ipynb", {"sid": 9}, Page, progress=False)
    assert names_in(tmp_path) == ["page.md"]


@pytest.mark.parametrize("name", ["missing.md", "notes.txt"])
def test_a_source_that_is_no_notebook_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(RecallError, match=f"{name} is no notebook"):
        execute(tmp_path / name, tmp_path / "out.ipynb", {}, None)


def test_an_interrupt_leaves_the_output_and_no_kernel(tmp_path: Path) -> None:
    output = tmp_path / "out.ipynb"
    output.write_text("as it was")
    busy = "import os, pathlib, time\npathlib.Path('pid').write_text(str(os.getpid()))\ntime.sleep(60)"
    source = write(tmp_path, cell(busy))
    code = (
        "import sys; from pathlib import Path; from recall.notebooks import execute\n"
        "execute(Path(sys.argv[1]), Path(sys.argv[2]), {}, None, progress=False)"
    )
    runner = subprocess.Popen([sys.executable, "-c", code, source, output], stderr=subprocess.PIPE, text=True)
    pid = tmp_path / "pid"
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    runner.send_signal(signal.SIGINT)
    _, shown = runner.communicate(timeout=60)
    assert runner.returncode != 0
    assert "KeyboardInterrupt" in shown
    assert output.read_text() == "as it was"
    assert names_in(tmp_path) == ["out.ipynb", "page.md", "pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
