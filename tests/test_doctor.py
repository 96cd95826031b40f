"""The examination of environments: a healthy one passes, each fault is found by its check, and no other is."""

import re
from pathlib import Path

import ailing
import gymnasium as gym
import pytest

from recall.cli import main
from recall.doctor import episodes, play
from recall.doctor.examination import CHECKS, examine, outcome
from recall.doctor.finding import Finding, table
from recall.envs.gym_env import GymConfig

NAMES = (
    *("id", "observations", "actions", "time limit", "Gymnasium's rules"),
    *("steps", "finite", "determinism", "seeds", "resuming"),
    *("ends", "terminal obs", "copies"),
    *("declared", "constant numbers", "scales", "rewards"),
)
"""Of all checks, in their order."""


@pytest.fixture(autouse=True)
def briefly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every examination be short."""
    monkeypatch.setattr(play, "STEPS", 300)


def found(fault: str) -> dict[str, Finding]:
    """What the doctor says by the name of the check."""
    findings = examine(f"ailing:Ailing-{fault}-v0")
    assert len({finding.check for finding in findings}) == len(findings)
    return {finding.check: finding for finding in findings}


def test_a_healthy_environment_passes_every_check() -> None:
    findings = found("nothing")
    assert tuple(findings) == NAMES
    assert len(NAMES) == len(CHECKS)
    assert [finding for finding in findings.values() if finding.state != "ok"] == []


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "HalfCheetah-v5", "Hopper-v5"])
def test_environments_that_are_trained_in_have_no_problem(env_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(play, "STEPS", 1100)
    assert [finding for finding in examine(env_id) if finding.state != "ok"] == []


PROBLEMS = {
    "constructor": ("id", "its code raises KeyError: 'no settings' (ailing.py, line ", "Pendulum-v1"),
    "discrete-actions": ("actions", "has the actions Discrete(4); only a vector", "no agent for a choice among 4"),
    "unbounded-actions": ("actions", "they must have finite bounds", "give the Box a finite low and high"),
    "named-parts": ("observations", "observes Dict('place': Box", "gymnasium.wrappers.FlattenObservation"),
    "picture": ("observations", "only a vector of real numbers", "gymnasium.wrappers.FlattenObservation"),
    "numbered-states": ("observations", "observes Discrete(16)", "gymnasium.wrappers.FlattenObservation"),
    "several-choices": ("actions", "has the actions MultiDiscrete", "a wrapper whose action is one float vector"),
    "whole-numbers": ("observations", "only a vector of real numbers", "give the Box dtype=np.float32"),
    "unlimited": ("time limit", "Ailing-unlimited-v0 has no time limit", "max_episode_steps=1000"),
    "own-chance": ("determinism", "step 1 gave another observation the second time", "self.np_random"),
    "remembers": ("resuming", "an episode that was played again after a restart became another", "let reset() set"),
    "resets-itself": ("terminal obs", "the last observation of an episode is where the next one begins", "reset()"),
    "wrapped": ("terminal obs", "wrapped in gymnasium.wrappers.Autoreset", "register it without"),
    "nan": ("finite", "observations, number 1, are NaN, infinite", "training stops at the first"),
    "infinite-reward": ("finite", "rewards are NaN, infinite", "training stops at the first"),
    "raises": ("steps", "after 6 random steps the environment raised ZeroDivisionError: no air left (ailing.py, ", ""),
    "no-info": ("steps", "after 0 random steps the environment raised ", "mend that"),
}

WARNINGS = {
    "enormous-actions": ("actions", "from -1e+09 to 1e+09", "give the Box the bounds that actions have in truth"),
    "lopsided-actions": ("actions", "from 0 to 3: fit for sac and trpo, which act in [-1, 1] and are resc", "middle"),
    "one-start": ("seeds", "seeds 7, 8, 9, 10 all gave the same", "nothing if episodes are meant to be all alike"),
    "endless": ("ends", "no episode ended within 300 random steps", "look whether episodes end when they should"),
    "end-for-limit": ("ends", "every one after 10 steps: that looks like a time limit", "return terminated=False"),
    "early-limit": ("ends", "30 were truncated, 30 by the environment before its time limit of 20", "terminated=True"),
    "same-array": ("copies", "a step changes the observation that was returned before it", "self.state.copy()"),
    "changes-actions": ("copies", "step() changes the action that it is given", "action.copy()"),
    "small-space": ("declared", "observations leave the declared bounds in number 0, 1, 2", "widen the Box"),
    "double": ("declared", "observations are float64 and the space says float32", "obs.astype(np.float32)"),
    "still": ("constant numbers", "1 of 3 numbers of the observation never changed in random play: number 2", "leave"),
    "tiny": ("scales", "standard deviations of the observation's numbers go from ", "divide the large ones"),
    "far": ("scales", "number 2 of the observation lies far from 0", "subtract a constant"),
    "no-reward": ("rewards", "every random step was worth 0", "there is nothing to recall"),
    "large-rewards": ("rewards", "their size, where there is one, is ", "divide them by about "),
    "small-rewards": ("rewards", "their size, where there is one, is ", "multiply them by about "),
}


@pytest.mark.parametrize("fault", PROBLEMS)
def test_a_fault_is_a_problem(fault: str) -> None:
    check, words, change = PROBLEMS[fault]
    finding = found(fault)[check]
    assert finding.state == "problem"
    assert words in finding.found
    assert change in finding.change


@pytest.mark.parametrize("fault", WARNINGS)
def test_a_doubtful_choice_is_a_warning_and_no_problem(fault: str) -> None:
    check, words, change = WARNINGS[fault]
    findings = found(fault)
    assert findings[check].state == "warning"
    assert words in findings[check].found
    assert change in findings[check].change
    assert {name for name, each in findings.items() if each.state == "problem"} <= {"Gymnasium's rules"}


ALSO = {
    "no-info": {"Gymnasium's rules"},
    "raises": set(),
    "own-chance": {"Gymnasium's rules", "resuming"},
    "nan": {"resuming"},
    "infinite-reward": {"resuming"},
    "resets-itself": set(),
    "remembers": {"Gymnasium's rules"},
}
"""Other checks that a fault cannot but fail."""


@pytest.mark.parametrize("fault", ALSO)
def test_no_check_blames_what_is_well(fault: str) -> None:
    problems = {name for name, each in found(fault).items() if each.state == "problem"}
    assert problems - {PROBLEMS[fault][0]} <= ALSO[fault]


def test_bounds_that_are_rescaled_are_well() -> None:
    finding = found("other-bounds")["actions"]
    assert finding.state == "ok"
    assert finding.found.endswith(
        "from -2 to 2: fit for sac and trpo, which act in [-1, 1] and are rescaled to these bounds"
    )


def test_a_reward_for_lasting_is_one() -> None:
    finding = found("same-reward")["rewards"]
    assert (finding.state, finding.found) == ("ok", "every step is worth 1: returns tell how long episodes last")


def test_an_error_inside_a_check_is_what_it_finds() -> None:
    def odd_check(patient: play.Patient) -> None:
        raise OSError("out of reach")

    finding = outcome(odd_check, play.Patient(GymConfig("Pendulum-v1")))
    assert finding is not None
    assert (finding.check, finding.state) == ("odd check", "problem")
    assert finding.found.startswith("the environment raised OSError: out of reach (test_doctor.py, line ")


def test_a_slow_environment_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "SLOW", 1e9)
    finding = found("nothing")["steps"]
    assert finding.state == "warning"
    assert "a million steps alone take " in finding.change


def test_a_very_slow_environment_is_examined_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ailing.Ailing, "pause", 0.05)
    monkeypatch.setattr(play, "SECONDS", 0.5)
    findings = found("nothing")
    assert findings["steps"].state == "warning"
    assert int(re.findall(r"\d+", findings["determinism"].found)[0]) <= 20


def test_what_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "ill_written.py").write_text("import gymnasium\n\nlimit = 1 / 0\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (finding,) = examine("ill_written:X-v0")
    assert finding.state == "problem"
    assert "importing ill_written raises ZeroDivisionError: division by zero (ill_written.py, line 3)" in finding.found
    (finding,) = examine("not_written:X-v0")
    assert "not_written cannot be imported; install it, or go to its folder" in finding.found
    (finding,) = examine("Pendulm-v1")
    assert "which Gymnasium does not know; give a registered id, such as Pendulum-v1" in finding.found


# The command


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error of the command."""
    status = main(["doctor", *arguments])
    return status, *capsys.readouterr()


def test_the_command_succeeds_without_a_problem(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    status, output, error = told(capsys, "--env", "ailing:Ailing-no-reward-v0")
    assert (status, error) == (0, "")
    *lines, empty, count, hint = output.splitlines()
    assert (empty, count) == ("", "17 checks: 16 ok, 1 warning, 0 problems")
    assert hint == "next: recall train --env ailing:Ailing-no-reward-v0 --recall"
    assert max(map(len, lines)) <= 100
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == ["ok"] * 16 + ["warning"]
    assert lines[0].startswith("ok      id                 ailing:Ailing-no-reward-v0 is ailing.Ailing; Gymnasium 1.")


def test_the_command_fails_with_a_problem(capsys: pytest.CaptureFixture[str]) -> None:
    status, output, error = told(capsys, "--env", "ailing:Ailing-discrete-actions-v0")
    assert (status, error) == (1, "recall: 1 problem (actions); mend what the arrows say\n")
    assert "problem actions " in output
    assert (
        " -> recall train has no agent for a choice among 4; recall.recall_traces.RecallTraces(n_actions=4)"
        in " ".join(output.split())
    )
    assert output.endswith("1 problem\n")


def test_long_findings_are_wrapped_below_their_column() -> None:
    findings = [Finding("rewards", "warning", "word " * 30, "change " * 20), Finding("id", "ok", "well")]
    lines = table(findings, 80).splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("warning rewards            word word")
    assert lines[1].startswith(" " * 27 + "word")
    assert [line for line in lines if "->" in line] == [lines[3]]
    assert lines[-1] == "2 checks: 1 ok, 1 warning, 0 problems"


def test_faults_and_expectations_are_all_of_them() -> None:
    registered = {name for name in gym.registry if name.startswith("Ailing-")}
    expected = {*PROBLEMS, *WARNINGS, "nothing", "other-bounds", "same-reward"}
    assert {f"Ailing-{fault}-v0" for fault in expected} == registered
    assert ailing.LIMIT == 20
