"""The C++ beside this file as torch operators: compiled on first use, then kept in torch's cache of extensions."""

import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

import torch
from torch.utils import cpp_extension

FOLDER = Path(__file__).parent
FLAGS = ("-std=c++20", "-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-shared", "-fPIC", "-w")
"""The two about mathematics let the compiler vectorise; NaN and infinity stay what they are."""


def load(precision: str) -> None:
    """Make `torch.ops.recall_native` work in a precision, float32 or bfloat16.

    Raises:
        OSError: there is no compiler, or no place for what it makes.
        RuntimeError: the sources do not compile, or the processor lacks what they need.
    """
    if not hasattr(torch.ops.recall_native, "probe"):  # once a process, even if the sources change meanwhile
        library = _library()
        if not library.exists():
            _build(library)
        torch.ops.load_library(library)
    torch.ops.recall_native.probe(precision == "bfloat16")


def _library() -> Path:
    """Where the library lies: another place for other sources, another torch or another processor.

    Home folders are shared between machines, and a library made for one processor may crash on another.
    """
    root = os.environ.get("TORCH_EXTENSIONS_DIR") or cpp_extension.get_default_build_root()
    sources = [path.read_text() for path in sorted(FOLDER.glob("*.[ch]*"))]
    made_of = "\0".join([*sources, *FLAGS, torch.__version__, _processor()])
    return Path(root) / "recall_native" / f"{hashlib.sha256(made_of.encode()).hexdigest()[:16]}.so"


def _processor() -> str:
    """Model and instructions of the processor, where the system tells, else what torch knows of it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().partition("\n\n")[0].splitlines()
    except OSError:
        return repr(sorted(torch.cpu.get_capabilities().items()))
    return "\n".join(line for line in lines if line.startswith(("vendor_id", "cpu family", "model", "flags")))


def _build(library: Path) -> None:
    """Compile to one side and move into place: processes may build at once, and one may be killed half-way.

    Torch's own way of building waits for ever on the lock of a process that was killed.
    """
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=library.parent) as aside:
        made = Path(aside) / library.name
        done = subprocess.run(_command(made), capture_output=True, text=True)
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line] or ["the compiler failed"]
            raise RuntimeError(errors[0])
        made.replace(library)


def _command(made: Path) -> list[str]:
    headers = [f"-isystem{path}" for path in cpp_extension.include_paths()]
    libraries = [*(f"-L{path}" for path in cpp_extension.library_paths()), "-lc10", "-ltorch_cpu"]
    source = str(FOLDER / "operators.cpp")
    return [cpp_extension.get_cxx_compiler(), *FLAGS, *headers, source, "-o", str(made), *libraries]
