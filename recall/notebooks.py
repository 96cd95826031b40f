"""The strict papermill runner: checked parameters, every cell run, the output whole or untouched."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import papermill
from jupyter_client.kernelspec import NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellControlSignal
from nbformat import NotebookNode
from papermill.exceptions import PapermillException, PapermillExecutionError
from traitlets import Dict
from traitlets.config import Config

from recall.errors import RecallError
from recall.parameters import check_parameters, parameter_names
from recall.storage import write_atomic

START_TIMEOUT = 120
"""Seconds a kernel may take to start; ours, for a busy machine."""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
"""The kernel of the running interpreter's own environment, whatever a notebook asks for."""


def execute(
    source: Path,
    output: Path,
    parameters: Mapping[str, Any],
    schema: type | None,
    progress: bool = True,
    timeout: int | None = None,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    silent: bool = False,
) -> NotebookNode:
    """Execute a notebook and store the executed copy; on any failure the file that was there stays as it was.

    Args:
        source: a MyST `.md` or an `.ipynb`; of an executed copy the injected parameters are dropped.
        output: where the executed `.ipynb` goes.
        parameters: values by name, as text or typed.
        schema: the dataclass whose fields are the page's parameters; None for a page without.
        progress: whether to show a bar over the cells.
        timeout: seconds a single cell may take; None is for ever.
        env: environment variables for the kernel, on top of this process's.
        cwd: the kernel's working directory; None is the folder of `source`.
        silent: whether text on stderr, which readers would see, is a failure.

    Returns:
        The executed notebook. The same source, parameters and results give the same bytes.
    """
    notebook = read(source)
    check_cell(notebook, schema)
    values = check_parameters(schema, parameters)
    injected = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    started: list[NotebookNode] = []
    try:
        done = papermill.execute_notebook(
            notebook,
            None,
            parameters=injected,
            kernel_name=KERNEL["name"],
            progress_bar=progress,
            start_timeout=START_TIMEOUT,
            execution_timeout=timeout,
            cwd=cwd or source.parent,
            on_cell_execute=lambda cell, cell_index: started.append(cell),
            force_raise_errors=True,
            coalesce_streams=True,
            record_timing=False,
            store_widget_state=False,
            kernel_manager_class=PageKernel,
            config=Config(KernelManager={"transport_encryption": "auto"}, PageKernel={"variables": dict(env or {})}),
        )
    except (PapermillException, CellControlSignal, NoSuchKernel, RuntimeError) as error:
        where = f"cell {_first_line(started[-1])!r}" if started else "starting the kernel"
        raise RecallError(f"{source.name} failed: {where} raised {_describe(error)}") from error
    _check_executed(done, source.name)
    if silent:
        _refuse_stderr(done, source.name)
    _tidy(done, injected)
    _write(done, output)
    return done


def read(source: Path) -> NotebookNode:
    """A notebook from MyST `.md` or `.ipynb`, without injected parameters and with the kernel set."""
    if source.suffix not in (".md", ".ipynb") or not source.is_file():
        raise RecallError(f"{source} is no notebook; give an existing .md (MyST) or .ipynb file")
    notebook = jupytext.read(source, fmt="md:myst" if source.suffix == ".md" else "ipynb")
    notebook.cells = [c for c in notebook.cells if "injected-parameters" not in c.metadata.get("tags", [])]
    notebook.metadata.kernelspec = dict(KERNEL)
    return notebook


def cell_parameters(notebook: NotebookNode) -> list[str]:
    """The names that papermill reads from the cell tagged `parameters`, in order."""
    return list(papermill.inspect_notebook(notebook))


def check_cell(notebook: NotebookNode, schema: type | None) -> None:
    """Refuse a notebook whose `parameters` cell and schema name different parameters.

    Papermill reads one assignment a line, without a second `=` in its value or comment and without `|` in its
    annotation (write Optional).
    """
    in_cell, in_schema = cell_parameters(notebook), parameter_names(schema)
    odd = sorted(set(in_cell) ^ set(in_schema))
    if odd:
        raise RecallError(
            f"papermill reads {', '.join(in_cell) or 'nothing'} from the cell tagged 'parameters' and the "
            f"page's dataclass has {', '.join(in_schema) or 'nothing'}; they differ in {', '.join(odd)}"
        )


class PageKernel(AsyncKernelManager):
    """A kernel with environment variables of its own."""

    variables = Dict(config=True)

    async def start_kernel(self, **kwargs: Any) -> None:  # type: ignore[override]  # the base is typed as blocking
        """Start it with this process's variables and its own."""
        await super().start_kernel(env=os.environ | self.variables, **kwargs)


def _check_executed(notebook: NotebookNode, name: str) -> None:
    """A kernel that exits quietly leaves cells behind and no exception."""
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.strip():
            if any(output.output_type == "error" for output in cell.outputs):
                raise RecallError(f"{name} failed: cell {_first_line(cell)!r} ended in an error")
            if cell.execution_count is None:
                raise RecallError(f"{name} failed: cell {_first_line(cell)!r} never ran")


def _refuse_stderr(notebook: NotebookNode, name: str) -> None:
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if output.get("name") == "stderr":
                raise RecallError(f"{name} failed: cell {_first_line(cell)!r} wrote to stderr: {output.text.strip()}")


def _tidy(notebook: NotebookNode, parameters: Mapping[str, Any]) -> None:
    """Leave nothing in the notebook that differs between two executions of the same thing."""
    for key in ("papermill", "jupytext", "widgets"):
        notebook.metadata.pop(key, None)
    notebook.metadata.kernelspec = dict(KERNEL)
    notebook.metadata.language_info.pop("version", None)
    notebook.metadata.recall = {"parameters": dict(parameters)}
    for i, cell in enumerate(notebook.cells):
        cell.id = f"cell-{i}"
        cell.metadata.pop("papermill", None)
        if "injected-parameters" in cell.metadata.tags:
            cell.metadata.tags.append("hide-input")
        if not cell.metadata.tags:
            del cell.metadata["tags"]
        if cell.cell_type == "code":
            _move_alternative_text(cell)


def _move_alternative_text(cell: NotebookNode) -> None:
    """Move an output's `alt` to the cell, where MyST-NB looks for it."""
    texts = set()
    for output in cell.outputs:
        for mime, options in list(output.get("metadata", {}).items()):
            if mime.startswith("image/") and "alt" in options:
                texts.add(options.pop("alt"))
                if not options:
                    del output.metadata[mime]
    if len(texts) > 1:
        raise RecallError(f"cell {_first_line(cell)!r} has images with different alternative texts; show one a cell")
    if texts:
        cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = texts.pop()


def _write(notebook: NotebookNode, output: Path) -> None:
    write_atomic(output, (nbformat.writes(notebook) + "\n").encode())


def _first_line(cell: NotebookNode) -> str:
    return cell.source.strip().splitlines()[0]


def _describe(error: BaseException) -> str:
    """Name and message of an exception, on one line."""
    if isinstance(error, PapermillExecutionError):
        name, text = error.ename, error.evalue
    else:
        name, text = type(error).__name__, str(error)
    return " ".join(f"{name}: {text}".split())
