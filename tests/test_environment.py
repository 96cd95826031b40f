"""pyproject.toml, constraints.txt, environment.yml, the Makefile and the workflows say one thing."""

import re
import tomllib
from collections.abc import Collection
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

CUDA = ("nvidia-", "cuda-", "triton")
"""PyTorch asks for these where its build uses CUDA; the pins are those of the build without."""

BUILD_TOOLS = {"pip", "setuptools", "wheel"}

APART = {"bench": "sbx"}
"""Extras that `all` leaves out, since one comparison alone needs their many packages, and a module of each."""


@pytest.fixture(scope="module")
def project(root: Path) -> dict:
    return tomllib.loads((root / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def pins(root: Path) -> dict[str, str]:
    """constraints.txt as name -> version; each line must be exactly that."""
    lines = (root / "constraints.txt").read_text().splitlines()
    parts = [re.fullmatch(r"([A-Za-z0-9._-]+)==([0-9][0-9a-z.]*)", line) for line in lines]
    assert all(parts), f"a line is not NAME==VERSION: {lines[parts.index(None)]}"
    return {canonicalize_name(part[1]): part[2] for part in parts if part}


@pytest.fixture(scope="module")
def conda(root: Path) -> dict:
    return yaml.safe_load((root / "environment.yml").read_text())


def asked_for(project: dict, without: Collection[str] = ()) -> list[Requirement]:
    """Requirements of the package and of its extras, without its own name."""
    extras = [line for name, lines in project["optional-dependencies"].items() if name not in without for line in lines]
    found = [Requirement(line) for line in project["dependencies"] + extras]
    return [requirement for requirement in found if requirement.name != project["name"]]


def needed(requirements: list[Requirement]) -> set[str]:
    """Names of everything that requirements bring along on this machine, as installed here."""
    names: set[str] = set()
    open_ = [(requirement, extra) for requirement in requirements for extra in {"", *requirement.extras}]
    done: set[tuple[str, str]] = set()
    while open_:
        requirement, extra = open_.pop()
        name = canonicalize_name(requirement.name)
        if (name, extra) in done or name.startswith(CUDA):
            continue
        done.add((name, extra))
        names.add(name)
        for line in distribution(name).requires or []:
            child = Requirement(line)
            if child.marker is None or child.marker.evaluate({"extra": extra}):
                open_ += [(child, e) for e in {"", *child.extras}]
    return names


def test_all_is_the_other_extras(project: dict) -> None:
    extras = project["optional-dependencies"]
    (everything,) = [Requirement(line) for line in extras["all"]]
    assert everything.name == project["name"]
    assert everything.extras == extras.keys() - {"all"} - APART.keys()


def test_pins_lie_in_the_allowed_ranges(project: dict, pins: dict[str, str]) -> None:
    for requirement in asked_for(project):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)]), requirement


def test_everything_that_is_needed_is_pinned(project: dict, pins: dict[str, str]) -> None:
    """Of what stands apart, where it is installed."""
    missing = {extra for extra, module in APART.items() if find_spec(module) is None}
    assert needed(asked_for(project, missing)) - pins.keys() - BUILD_TOOLS == set()


def test_the_pins_are_what_is_installed(pins: dict[str, str]) -> None:
    """Local parts such as `+cpu` name a build of the same version."""
    for name, pinned in pins.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue  # pinned for another Python; what this one needs, the test above holds
        assert Version(installed).public == pinned, f"{name} {installed} is installed: run `make test` again"


def test_pins_are_sorted(root: Path) -> None:
    names = [line.split("==")[0].lower() for line in (root / "constraints.txt").read_text().splitlines()]
    assert names == sorted(names)


def test_conda_asks_pip_for_the_same(conda: dict) -> None:
    *packages, pip = conda["dependencies"]
    assert [entry.split("=")[0] for entry in packages] == ["python", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e .[all]"]}


def test_one_python_everywhere(root: Path, project: dict, conda: dict) -> None:
    (python,) = re.findall(r"^PYTHON \?= python(\S+)$", (root / "Makefile").read_text(), re.MULTILINE)
    workflows = {path.stem: yaml.safe_load(path.read_text()) for path in root.glob(".github/workflows/*.yml")}
    matrix = workflows["test"]["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert conda["dependencies"][0] == f"python={python}"
    assert project["requires-python"] == f">={python}"
    assert matrix[0] == python
    assert all(SpecifierSet(project["requires-python"]).contains(each) for each in matrix)


def test_one_version_everywhere(root: Path, project: dict) -> None:
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    releases = re.findall(r"^## \[(\d\S*)\]", (root / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["version"] == project["version"]
    assert releases[0] == project["version"]
