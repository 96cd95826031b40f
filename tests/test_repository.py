"""The files around the package: they are there, and the tools that read them accept them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

REQUIRED = [
    *(".ci/run", ".gitignore", ".pre-commit-config.yaml", "Makefile", "_config.yml", "pyproject.toml"),
    *("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "README.md"),
    *("constraints.txt", "environment.yml", "book/_toc.yml", "book/references.bib"),
]
WORKFLOWS = ["publish", "test", "weekly"]


def tool(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool of this environment."""
    executable = Path(sys.executable).with_name(str(command[0]))
    return subprocess.run([executable, *command[1:]], capture_output=True, text=True, timeout=120)


def check_schema(schema: str, path: Path) -> subprocess.CompletedProcess[str]:
    """Check a file against a schema that check-jsonschema carries with it."""
    return tool("check-jsonschema", "--builtin-schema", schema, "--force-filetype", "yaml", path)


@pytest.mark.parametrize("name", REQUIRED)
def test_the_file_is_there(root: Path, name: str) -> None:
    assert (root / name).stat().st_size > 0


def test_every_workflow_is_known(root: Path) -> None:
    assert sorted(path.stem for path in (root / ".github/workflows").iterdir()) == WORKFLOWS


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_workflow_follows_the_schema(root: Path, name: str) -> None:
    path = root / f".github/workflows/{name}.yml"
    for schema in ("vendor.github-workflows", "custom.github-workflows-require-timeout"):
        done = check_schema(schema, path)
        assert done.returncode == 0, done.stdout


def test_a_wrong_workflow_is_refused(root: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    wrong.write_text((root / ".github/workflows/test.yml").read_text().replace("steps:", "stepz:"))
    assert check_schema("vendor.github-workflows", wrong).returncode == 1


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_run_targets_of_the_makefile(root: Path, name: str) -> None:
    """Automation runs the commands that a person runs."""
    jobs = yaml.safe_load((root / f".github/workflows/{name}.yml").read_text())["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    for command in commands:
        if command.startswith("make "):
            arguments = [*command.split("|")[0].split(), "--dry-run"]
            done = subprocess.run(arguments, cwd=root, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    assert any(command.startswith("make ") for command in commands)


def test_the_citation_follows_the_schema(root: Path) -> None:
    done = check_schema("vendor.citation-file-format", root / "CITATION.cff")
    assert done.returncode == 0, done.stdout


def test_pre_commit_accepts_its_configuration_and_fetches_nothing(root: Path) -> None:
    path = root / ".pre-commit-config.yaml"
    assert tool("pre-commit", "validate-config", path).returncode == 0
    repos = yaml.safe_load(path.read_text())["repos"]
    assert [repo["repo"] for repo in repos] == ["local"]
    assert {hook["language"] for repo in repos for hook in repo["hooks"]} == {"system"}


def test_ci_script_is_sound(root: Path) -> None:
    script = root / ".ci/run"
    assert script.stat().st_mode & 0o111
    assert subprocess.run(["bash", "-n", script]).returncode == 0


@pytest.mark.parametrize(
    ("fails", "status", "passes"),
    [
        ("slow", 124, True),
        ("slow", 2, False),
        ("test", 124, False),
        ("book", 2, False),
        ("audit", 1, False),
        ("audit", 124, True),
        ("none", 1, True),
    ],
)
def test_ci_forgives_what_need_not_be_complete_the_time_alone(
    root: Path, tmp_path: Path, fails: str, status: int, passes: bool
) -> None:
    script = tmp_path / ".ci/run"
    script.parent.mkdir()
    shutil.copy(root / ".ci/run", script)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, text in {"make": f'test "$1" != {fails} || exit {status}', "chromium": "", "git": ""}.items():
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    environment = os.environ | {"PATH": f"{commands}:{os.environ['PATH']}"}
    done = subprocess.run([script], env=environment, capture_output=True, text=True)
    assert (done.returncode == 0) == passes, done.stdout + done.stderr
    assert ("notice: the time is up" in done.stdout) == (passes and status == 124)
