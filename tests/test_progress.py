"""The progress bar: every step counts once, only this process's make the rate, and silence is explained."""

from types import SimpleNamespace

import pytest

from recall import progress
from recall.progress import Progress, Steps


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that a test sets."""
    now = SimpleNamespace(seconds=0.0)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def test_steps_are_added() -> None:
    assert Steps(1, 2).plus(Steps(10, 20)) == Steps(taken=11, earlier=22)


@pytest.mark.parametrize("shown", [True, False])
def test_every_step_counts_once(shown: bool, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1000, "training 1 of 1", shown) as bar:
        for steps in (Steps(100), Steps(), Steps(50, earlier=600), Steps(250)):
            bar.add(steps)
        assert bar.bar.n == (1000 if shown else 0)
    assert ("training 1 of 1: 100%" in capsys.readouterr().err) == shown


def test_what_was_done_before_makes_no_step_faster() -> None:
    """Without the first report's 600 steps, 100 remain of which the rate is taken."""
    with Progress(1000, "") as bar:
        bar.add(Steps(100, earlier=600))
        assert (bar.bar.n, bar.bar.initial) == (700, 600)
        assert bar.bar.format_dict["initial"] == 600


def test_silence_is_explained_until_the_next_step(clock: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(1000, "") as bar:
        bar.add(Steps(10))
        clock.seconds = 2.0
        bar.add(Steps())
        assert "compiling" not in capsys.readouterr().err
        clock.seconds = 9.0
        bar.add(Steps())
        assert "compiling or evaluating for 9 s" in capsys.readouterr().err
        bar.add(Steps(1))
        assert not bar.bar.postfix
