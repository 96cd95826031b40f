"""Imports point downward only; the analysis needs no torch; `import recall` is light."""

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

LAYERS = [  # from the top; a name stands for a module, or a package with everything in it
    ["cli", "sb3"],
    ["page_sweep", "own_runs", "doctor"],
    ["audit", "book", "listing", "moved", "unfinished", "rendering"],
    ["repetition"],
    ["notebooks"],
    ["goal_policies"],
    ["display", "pages", "policies", "tuning", "deviations", "rerun"],
    [
        "page_parameters",
        "control_parameters",
        "sac_parameters",
        "trpo_parameters",
        "trace_parameters",
        "goal_parameters",
    ],
    [
        *("experiments", "sac_experiments", "trpo_experiments", "trace_experiments", "goal_experiments"),
        *("specs", "stock", "sweep"),
    ],
    ["tensorboard"],
    ["forecast", "sweep_log", "worker", "slurm"],
    ["cluster", "store"],
    ["analysis"],
    ["training"],
    ["kinds"],
    ["on_policy", "off_policy", "trust_region", "goal_gan_training", "goal_training"],
    ["control"],
    ["diagnosis", "trace_measures", "loop", "goal_rollouts"],
    ["runs", "logbook"],
    ["recall_traces"],
    [
        "recaller",
        "continuous_recaller",
        "trust_region_recaller",
        "goal_recaller",
        "imitating_tracer",
        "tracer",
        "units",
    ],
    ["backtracking", "categorical_model", "gaussian_model", "traces", "continuous_traces", "targets"],
    ["goal_agent", "goal_curriculum", "coverage"],
    ["agents", "exploration", "goal_gan", "goal_archive", "goal_labels", "attempts"],
    ["envs"],
    ["perceptron"],
    ["networks", "functional", "engine", "native", "imitation", "evaluation"],
    ["best_tuples", "rewards_to_go", "replay", "normalization", "returns", "seeding"],
    ["buffers"],
    ["checkpoints", "storage", "progress", "parameters", "threads", "identity", "errors"],
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
BELOW_ANALYSIS = ("errors", "identity")
HEAVY = ["torch", "mujoco", "pandas", "matplotlib", "seaborn", "scipy", "papermill", "jupytext"]


def module_name(path: Path, package: Path) -> str:
    """`recall/envs/four_rooms.py` -> `envs.four_rooms`; the package's own `__init__` -> an empty name."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: str) -> set[str]:
    """Names below `recall` that a module imports anywhere in it, lazily or for its types too."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        found |= {name.removeprefix("recall.") for name in names if name.startswith("recall.")}
    return found


def import_graph(package: Path) -> dict[str, set[str]]:
    """Modules of a package and the modules each imports; the package's own front door is left out."""
    sources = {module_name(path, package): path.read_text() for path in package.rglob("*.py")}
    graph = {}
    for module, source in sources.items():
        if module:
            names = imported(source)
            others = [
                m for m in sources if m and not f"{module}.".startswith(f"{m}.")
            ]  # neither itself nor its package
            graph[module] = {m for m in others if any(f"{name}.".startswith(f"{m}.") for name in names)}
    return graph


def misplaced(graph: dict[str, set[str]]) -> list[str]:
    """One sentence for each module without a layer and each import that points upward."""
    wrong = [f"{m} has no place in LAYERS" for m in sorted(graph) if m.split(".")[0] not in RANK]
    for module, targets in sorted(graph.items()):
        top = module.split(".")[0]
        for target in sorted(targets):
            below = target.split(".")[0]
            if top in RANK and below in RANK and RANK[below] < RANK[top]:
                wrong.append(f"{module} imports {target}, which lies above it")
            if top == "analysis" and below not in ("analysis", *BELOW_ANALYSIS):
                wrong.append(f"{module} imports {target}; the analysis may not")
    return wrong


def run_python(code: str, root: Path) -> str:
    """The output of a fresh interpreter, which must succeed."""
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_imports_point_downward(root: Path) -> None:
    assert misplaced(import_graph(root / "recall")) == []


def test_imports_form_no_cycle(root: Path) -> None:
    try:
        TopologicalSorter(import_graph(root / "recall")).prepare()
    except CycleError as error:
        pytest.fail(f"these modules import each other: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"errors.py": "import recall.cli", "cli.py": ""}, "errors imports cli, which lies above it"),
        (
            {"runs.py": "def f(): from recall import training", "training.py": ""},
            "runs imports training, which lies",
        ),
        (
            {"analysis/stats.py": "from recall.seeding import x", "seeding.py": ""},
            "analysis.stats imports seeding; ",
        ),
        ({"novelty.py": ""}, "novelty has no place in LAYERS"),
    ],
)
def test_a_wrong_import_is_named(tmp_path: Path, files: dict[str, str], sentence: str) -> None:
    for name, source in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(source)
    found = misplaced(import_graph(tmp_path))
    assert len(found) == 1
    assert found[0].startswith(sentence)


def test_analysis_needs_neither_torch_nor_an_environment(root: Path) -> None:
    code = """
import importlib, pkgutil, sys

class Block:
    def find_spec(name, path=None, target=None):
        if name.split(".")[0] in ("torch", "mujoco", "gymnasium"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block)
import recall.analysis
for module in pkgutil.walk_packages(recall.analysis.__path__, "recall.analysis."):
    importlib.import_module(module.name)
    print(module.name)
"""
    assert "recall.analysis.stats" in run_python(code, root).split()


def test_importing_the_package_is_light(root: Path) -> None:
    """Under a second on any machine means: none of the packages that take longer is imported."""
    loaded = run_python("import sys, recall; print(*sys.modules)", root).split()
    assert "recall" in loaded
    assert [name for name in HEAVY if name in loaded] == []
