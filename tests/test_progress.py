"""The progress bar: every step counts once, only this process's make the rate, and silence is explained."""

from types import SimpleNamespace

import pytest

from recall import progress
from recall.progress import Ended, Progress, Report


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that a test sets."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def so_far(steps: int, earlier: int = 0, run: str = "a") -> Report:
    """What a training tells."""
    return Report(run, steps, earlier, 1.0, None)


@pytest.mark.parametrize("shown", [True, False])
def test_every_step_counts_once(shown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """Also where a report is lost, comes twice, or a training falls back to its checkpoint."""
    with Progress({"a": 700, "b": 300}, "training 2 of 2", shown) as bar:
        for report in (so_far(100), so_far(650), so_far(400, earlier=400), so_far(90, run="b"), so_far(90, run="b")):
            bar.reported(report)
        bar.tick()
        assert bar.bar.n == (490 if shown else 0)
        for run in ("a", "b"):
            bar.ended(Ended(run, "finished"))
        bar.tick()
    assert ("training 2 of 2: 100%" in capsys.readouterr().err) == shown


def test_what_was_done_before_makes_no_step_faster() -> None:
    """Without the 600 steps of its checkpoint, 100 remain of which the rate is taken."""
    with Progress({"a": 1000}, "") as bar:
        bar.reported(so_far(700, earlier=600))
        bar.tick()
        assert (bar.bar.n, bar.bar.initial) == (700, 600)
        assert bar.bar.format_dict["initial"] == 600


def test_silence_is_explained_until_the_next_step(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress({"a": 1000}, "") as bar:
        bar.reported(so_far(10))
        clock.seconds = 2.0
        bar.tick()
        assert "compiling" not in capsys.readouterr().err
        clock.seconds = 9.0
        bar.reported(so_far(10))
        bar.tick()
        assert "compiling or evaluating for 9 s" in capsys.readouterr().err
        bar.reported(so_far(11))
        bar.tick()
        assert not bar.bar.postfix


def test_a_listener_hears_every_report() -> None:
    heard: list[Report] = []
    reports = [so_far(100), so_far(200)._replace(rows=[("metrics", {"seed": 0, "step": 200, "return": 1.5})])]
    with Progress({"a": 700}, "", False, heard.append) as bar:
        for report in reports:
            bar.reported(report)
    assert heard == reports


def test_what_a_failed_run_has_not_done_is_no_longer_counted(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress({"a": 700, "b": 300}, "") as bar:
        bar.reported(so_far(100))
        bar.ended(Ended("a", "failed", "it broke"))
        bar.ended(Ended("b", "finished"))
        bar.tick()
        assert (bar.steps, bar.total) == ({"a": 100, "b": 300}, 400)
    assert "400/400" in capsys.readouterr().err
