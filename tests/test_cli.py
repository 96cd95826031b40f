"""The command line through its real executable: what it says, what it returns, and what it leaves behind."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import nbformat
import pytest
import tyro
from small_runs import small_spec, texts

from recall import book
from recall.cli import COMMANDS, DESCRIPTION, main
from recall.listing import COLUMNS
from recall.page_parameters import PageParameters
from recall.pages import FourRoomsParameters, SacParameters
from recall.runs import write_record
from recall.training import train

RECALL = Path(sys.executable).with_name("recall")


def parameters_cell(schema: type[PageParameters], echo: str) -> str:
    """A notebook in MyST that reads the page's parameters and echoes some."""
    defaults = "\n".join(f"{field.name} = {field.default!r}" for field in fields(schema))
    return (
        "---\njupytext:\n  text_representation:\n    extension: .md\n    format_name: myst\n"
        "kernelspec:\n  name: python3\n  display_name: Python 3\n  language: python\n---\n\n"
        f"```{{code-cell}} ipython3\n:tags: [parameters]\n{defaults}\n```\n\n"
        f"```{{code-cell}} ipython3\nprint({echo})\n```\n"
    )


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that looks like a checkout to the command, with a scratch space of its own; one is in it."""
    (tmp_path / "papermill_runs").mkdir()
    (tmp_path / "book" / "notebooks").mkdir(parents=True)
    (tmp_path / "book" / "notebooks" / "four-rooms.md").write_text(parameters_cell(FourRoomsParameters, "side, arms"))
    (tmp_path / "book" / "notebooks" / "sac.md").write_text(parameters_cell(SacParameters, "env_id, arms"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECALL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    return tmp_path


def recall(*arguments: str) -> subprocess.CompletedProcess:
    """The command's output and exit status."""
    return subprocess.run([RECALL, *arguments], capture_output=True, text=True, timeout=180, check=False)


def left_behind(checkout: Path) -> list[str]:
    """Files that a command made."""
    made = [checkout / "papermill_runs", checkout / "scratch"]
    return sorted(str(path.relative_to(checkout)) for top in made for path in top.rglob("*") if path.is_file())


# What it says


def test_help_names_every_command() -> None:
    done = recall("--help")
    assert done.returncode == 0
    assert set(COMMANDS) <= set(re.findall(r"\w+", done.stdout))
    assert done.stderr == ""
    before, _, after = done.stdout.partition("recall doctor --env Pendulum-v1 ")
    assert "Your own environment, step by step:" in before.splitlines()[-2]
    assert after.index("recall train --env") < after.index("recall eval KEY") < after.index("For maintainers:")


def test_every_command_says_what_it_does_in_the_help() -> None:
    done = recall("--help")
    for name, command in COMMANDS.items():
        (line,) = [line for line in done.stdout.splitlines() if f"• {name} " in line]
        assert str(command.__doc__).split(".")[0].split()[0] in line


def test_what_the_shell_completes_with_is_a_script(tmp_path: Path) -> None:
    script = tmp_path / "recall.bash"
    script.write_text(recall("--tyro-print-completion", "bash").stdout)
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    for typed, completed in {
        "recall doc": "doctor",
        "recall train --ag": "--agent",
        "recall train --agent t": "trpo",
    }.items():
        words = typed.split()
        asked = f"COMP_WORDS=({typed}); COMP_CWORD={len(words) - 1}; _tyro_recall; echo ${{COMPREPLY[@]}}"
        done = subprocess.run(["bash", "-c", f"source {script}; {asked}"], capture_output=True, text=True, check=False)
        assert (done.stdout, done.stderr) == (f"{completed}\n", "")
    for_zsh = recall("--tyro-print-completion", "zsh").stdout
    assert for_zsh.startswith("#compdef recall\n")


def test_commands_of_the_page_on_your_own_environment_can_be_typed(root: Path) -> None:
    text = (root / "book" / "own-environment.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    typed = [words[1:] for words in lines if words[:1] == ["recall"] and "--tyro-print-completion" not in words]
    assert {words[0] for words in typed} == {"doctor", "train", "resume", "eval"}
    for words in typed:
        tyro.extras.subcommand_cli_from_dict(COMMANDS, args=words, prog="recall", description=DESCRIPTION)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert "usage: recall" in capsys.readouterr().out


def test_a_wrong_command_is_refused(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["rum"])
    assert stop.value.code == 2
    assert "rum" in capsys.readouterr().err


@pytest.mark.usefixtures("checkout")
def test_an_empty_store_is_told_of() -> None:
    done = recall("records")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "no records; train some with: recall run four-rooms -p side=11 -p seeds=3\n"


def test_records_are_listed(checkout: Path, capsys: pytest.CaptureFixture) -> None:
    specs = [small_spec(updates=3), small_spec("true", updates=3)]
    folders = [write_record(checkout / "papermill_runs" / "records", spec, train(spec), {}) for spec in specs]
    assert main(["records", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [tuple(row) for row in listed] == [COLUMNS] * 2
    for row, spec, folder in zip(listed, specs, folders, strict=True):
        assert (row["page"], row["arm"], row["seeds"]) == ("small", spec.arm, 2)
        assert row["env_id"] == "recall/FourRooms-v0 (side-7)"
        assert (row["steps"], row["path"]) == (spec.total_steps, str(folder))
        assert row["versions"] == spec.settings["versions"]
        assert row["numerics"]["group"] == 2
    assert main(["records"]) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split() == list(COLUMNS[:6])
    assert len(table) == 3
    assert main(["records", "--local", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_damaged_record_is_named_by_the_list(checkout: Path, capsys: pytest.CaptureFixture) -> None:
    spec = small_spec(updates=3)
    folder = write_record(checkout / "papermill_runs" / "records", spec, train(spec), {})
    (folder / "metrics.csv").write_text("seed,step,success\n0,1,1.0\n")
    assert main(["records"]) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"recall: {folder} is damaged or was edited: metrics.csv is not as written")


# What it refuses


REFUSED = {
    "a misspelt parameter": (["-p", "sied=13"], "there is no parameter 'sied'; the nearest is 'side'"),
    "an unknown parameter": (["-p", "learning_rate=1"], "there is no parameter 'learning_rate'"),
    "no whole number": (["-p", "side=13.5"], "side is '13.5'; it must be a whole number"),
    "no number": (["-p", "side=11", "-p", "slip=little"], "slip is 'little'; it must be a finite number"),
    "not a number": (["-p", "weight=nan"], "weight is 'nan'; it must be a finite number"),
    "an even side": (["-p", "side=12"], "side is 12; it must be an odd whole number from 7 to 101"),
    "no seed": (["-p", "seeds=0"], "seeds is 0; it must be from 1 to 200"),
    "an unknown start": (["-p", "start=middle"], "start is 'middle'; it must be 'corner' or 'uniform'"),
    "an unknown arm": (["-p", "arms=trues"], "arms has trues; known are all, baseline"),
    "all arms and one": (["-p", "arms=all,true"], "arms is all,true; all stands alone"),
    "an arm without a name": (["-p", "arms="], "arms is '', which lacks a name; known are all, baseline"),
    "a horizon for all sizes": (["-p", "horizon=50"], "horizon, start, slip and total_steps need a side"),
    "no value": (["-p", "side"], "-p side is not NAME=VALUE; write for example -p side=13"),
    "no name": (["-p", "=3"], "-p =3 is not NAME=VALUE"),
    "no worker": (["-p", "side=7", "--workers", "0"], "workers is 0; it must be 1 or more"),
    "publishing with parameters": (["-p", "side=7", "--publish"], "--publish takes neither parameters nor"),
}


def assert_one_sentence(error: str, sentence: str) -> None:
    assert error.startswith(f"recall: {sentence}")
    assert error.count("\n") == 1
    assert "Traceback" not in error


@pytest.mark.parametrize("case", REFUSED)
def test_a_wrong_parameter_is_refused_in_a_sentence(case: str, checkout: Path, capsys: pytest.CaptureFixture) -> None:
    arguments, sentence = REFUSED[case]
    assert main(["run", "four-rooms", *arguments]) == 1
    assert_one_sentence(capsys.readouterr().err, sentence)
    assert left_behind(checkout) == []


REFUSED_SAC = {
    "a misspelt environment": (["-p", "env_id=Swimer-v5"], "env_id is 'Swimer-v5', which Gymnasium does not know"),
    "other actions": (["-p", "env_id=CartPole-v1"], "CartPole-v1 has the actions Discrete(2); only a vector of real"),
    "nothing to learn": (["-p", "total_steps=5000"], "total_steps is 5000 and random_steps 10000, so nothing would be"),
    "a parameter of another page": (["-p", "side=13"], "there is no parameter 'side'"),
}


@pytest.mark.parametrize("case", REFUSED_SAC)
def test_another_page_refuses_what_it_cannot_do(case: str, checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, sentence = REFUSED_SAC[case]
    assert main(["run", "sac", *arguments]) == 1
    assert_one_sentence(capsys.readouterr().err, sentence)
    assert left_behind(checkout) == []


@pytest.mark.parametrize("option", [[], ["--publish"]])
def test_a_page_whose_notebook_is_missing_trains_nothing(
    option: list[str], checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = checkout / "book" / "notebooks" / "baselines.md"
    assert main(["run", "baselines", *option]) == 1
    assert_one_sentence(capsys.readouterr().err, f"{source} is no notebook; give an existing .md")
    source.write_text(parameters_cell(SacParameters, "arms"))
    assert main(["run", "baselines", *option]) == 1
    assert "they differ in arms, length, weight" in capsys.readouterr().err
    assert left_behind(checkout) == []


@pytest.mark.parametrize("option", [[], ["--publish"]])
def test_an_unknown_page_is_refused(option: list[str], checkout: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["run", "five-rooms", *option]) == 1
    assert_one_sentence(capsys.readouterr().err, "there is no page 'five-rooms' to run; choose from four-rooms")
    assert left_behind(checkout) == []


BEFOREHAND = {
    "no notebook": (["run", "four-rooms", "--output", "page.md"], "output is page.md; it must be a file that ends in"),
    "no folder": (
        ["run", "four-rooms", "--output", "README/page.ipynb"],
        "the folder README cannot be written (File exists",
    ),
    "no folder of a table": (
        ["tune", "--output", "README/table.csv"],
        "the folder README cannot be written (File exists",
    ),
    "no ledger": (["audit", "--ledger", "README"], "README is no ledger of audits; name another file"),
    "a draw of nothing": (["audit", "--seed", "-1"], "seed is -1; it must be 0 or more"),
    "no seed": (["eval", "RUN", "--seed", "-1"], "seed is -1; it must be 0 or more"),
}


@pytest.mark.parametrize("case", BEFOREHAND)
def test_what_cannot_be_written_or_drawn_is_refused_before_anything_is_trained(
    case: str, checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, sentence = BEFOREHAND[case]
    (checkout / "README").write_text("of another kind")
    assert main(arguments) == 1
    assert_one_sentence(capsys.readouterr().err, sentence)
    assert left_behind(checkout) == []
    assert (checkout / "README").read_text() == "of another kind"


def test_the_executable_refuses_as_well(checkout: Path) -> None:
    done = recall("run", "four-rooms", "-p", "sied=13")
    assert (done.returncode, done.stdout) == (1, "")
    assert_one_sentence(done.stderr, "there is no parameter 'sied'; the nearest is 'side'")
    assert left_behind(checkout) == []


# What it does


RUN = ["run", "four-rooms", "-p", "side=7", "-p", "seeds=2", "-p", "arms=baseline", "-p"]
SMALL = [*RUN, "total_steps=600000"]
STATE = r"scratch/([0-9a-f]{12}-[0-9a-f]{12}\.checkpoint/\d{8}\.state|locks/[0-9a-f]{12}-[0-9a-f]{12}\.lock)"


def progress(process: subprocess.Popen) -> Iterator[str]:
    """The lines that a running command shows on its error stream, those of the progress bar one by one."""
    assert process.stderr is not None
    line = b""
    while byte := process.stderr.read(1):
        if byte in b"\r\n":
            yield line.decode(errors="replace")
            line = b""
        else:
            line += byte


@pytest.mark.slow
def test_an_interrupted_run_says_how_to_go_on_and_goes_on(checkout: Path) -> None:
    """Ctrl-C, as a terminal sends it, to the command and the processes it started; then the same command again."""
    process = subprocess.Popen(
        [RECALL, *SMALL], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, bufsize=0
    )
    lines, shown = progress(process), []
    for line in lines:
        shown.append(line)
        if re.search(r"[1-9]\S*/1.20M", line):
            os.killpg(process.pid, signal.SIGINT)
            break
    shown += lines
    assert process.wait(60) == 130
    assert shown[-1] == "recall: stopped; what was finished is stored, and the same command goes on from there"
    assert not any("Traceback" in line for line in shown)
    states = left_behind(checkout)
    assert states
    assert all(re.fullmatch(STATE, name) for name in states)
    deadline = time.monotonic() + 20
    while group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not group_lives(process.pid)

    again = recall(*SMALL)
    assert again.returncode == 0, again.stderr
    assert "1 groups of runs: 0 stored, 1 to train (1.2 million environment steps)" in again.stdout
    (spec,) = FourRoomsParameters(side=7, seeds=2, total_steps=600_000, arms="baseline").specs()
    metrics = checkout / "papermill_runs" / "local" / spec.folder / "metrics.csv"
    assert metrics.read_text() == texts(train(spec))["metrics"]
    assert not any("scratch" in name or "partial" in name for name in left_behind(checkout))
    output = Path(again.stdout.splitlines()[-1].removeprefix("executed notebook: "))
    assert output.parent == checkout / "papermill_runs" / "local"
    assert "7 baseline" in str(nbformat.read(output, as_version=4).cells[-1].outputs)


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
def test_an_interrupt_while_processes_start_is_clean_too(seconds: float, checkout: Path) -> None:
    process = subprocess.Popen(
        [RECALL, *RUN, "total_steps=5000000"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        bufsize=0,
    )
    lines = progress(process)
    first = next(line for line in lines if "| 0.00/10.0M" in line)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGINT)
    shown = [first, *lines]
    assert process.wait(60) == 130
    assert not any("Traceback" in line for line in shown)
    assert shown[-1].startswith("recall: stopped; ")
    assert all(re.fullmatch(STATE, name) for name in left_behind(checkout))


def group_lives(group: int) -> bool:
    """Whether a process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.slow
def test_a_stranger_runs_another_environment_and_evaluates_it(checkout: Path) -> None:
    """From parameters to a policy that acts as training saw it."""
    values = ("env_id=Swimmer-v5", "seeds=2", "total_steps=1400", "random_steps=1200", "eval_every=700", "arms=recall")
    done = recall("run", "sac", *(option for value in values for option in ("-p", value)))
    assert done.returncode == 0, done.stderr
    assert "2 groups of runs: 0 stored, 2 to train (0.0 million environment steps)" in done.stdout
    output = Path(done.stdout.splitlines()[-1].removeprefix("executed notebook: "))
    assert "Swimmer-v5 recall" in str(nbformat.read(output, as_version=4).cells[-1].outputs)
    (row,) = json.loads(recall("records", "--local", "--json").stdout)
    assert (row["env_id"], row["arm"], row["seeds"], row["steps"]) == ("Swimmer-v5", "recall", 2, 1400)
    assert row["numerics"]["mujoco"]
    for folder in (checkout / "papermill_runs" / "local" / "sac").iterdir():
        evaluated = recall("eval", folder.name)
        assert "equal to the last row of metrics.csv" in evaluated.stdout, evaluated.stderr


def test_what_only_the_local_store_holds_is_not_published(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = small_spec(updates=3)
    write_record(checkout / "papermill_runs" / "local", spec, train(spec), {})
    trained: list = []
    monkeypatch.setattr(book, "train_missing", lambda specs, store, workers: trained.append((specs, store.root.name)))
    book.train([spec], None, local=True)
    book.train([spec], None, local=False)
    assert trained == [([], "local"), ([spec], "records")]
    assert capsys.readouterr().out.splitlines()[0] == "1 groups of runs: 1 stored, 0 to train"


def test_a_parameter_given_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "four-rooms", "-p", "side=7", "-p", "side=9"]) == 1
    assert capsys.readouterr().err == "recall: -p side is given twice, 7 and 9; give it once\n"
