"""TensorBoard: shows what the records' tables hold, once, and changes nothing."""

from pathlib import Path

import numpy as np
import pytest
from small_control import CART
from small_own import ROLLOUT, TRAIN, curves, empty_checkout, events, left_behind, train_here

from recall.analysis.records import load_record
from recall.cli import main
from recall.own_runs import OwnRuns
from recall.pages import store
from recall.progress import Report
from recall.tensorboard import TensorBoard


@pytest.fixture(autouse=True)
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, in which one is."""
    return empty_checkout(tmp_path, monkeypatch)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> list[Report]:
    """Commands train in this process; what they reported."""
    return train_here(monkeypatch)


def test_tensorboard_shows_the_tables_and_changes_no_byte(at_once: list[Report], checkout: Path) -> None:
    arguments = ["train", "--env", CART, "--agent", "trpo", "--steps", str(2 * ROLLOUT), "--recall"]
    assert main([*arguments, "--tensorboard"]) == 0
    (spec,) = OwnRuns(CART, "trpo", True, 2 * ROLLOUT).specs()
    record = load_record(store(local=True).path(spec))
    shown = curves(checkout / "papermill_runs" / "tensorboard" / record.path.name / "seed-0")
    assert {tag.split("/")[0] for tag in shown} == {"metrics", "recall"}
    for table in ("metrics", "recall"):
        for name, column in record.table(table).set_index("step").drop(columns="seed").items():
            expected = column[np.isfinite(column)]
            steps, values = zip(*shown.get(f"{table}/{name}", []), strict=True) if len(expected) else ((), ())
            assert steps == tuple(expected.index)
            assert np.allclose(values, expected, rtol=1e-5)
    assert [len(report.rows) for report in at_once] == [2, 2]

    hashes = record.provenance["sha256"]
    record.path.rename(checkout / "with")
    assert main(arguments) == 0
    assert load_record(store(local=True).path(spec)).provenance["sha256"] == hashes


def test_rows_are_written_once_and_the_rest_from_the_record(
    at_once: list[Report], checkout: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A worker that took over from a killed one reports rows again; the last ones may never arrive."""
    assert main(TRAIN) == 0
    (spec,) = OwnRuns(CART, "trpo", steps=3 * ROLLOUT).specs()
    record = load_record(store(local=True).path(spec))
    with TensorBoard(checkout / "board") as board:
        for report in (at_once[0], at_once[0], at_once[1], at_once[0]):
            board.reported(report)
        halfway = [step for step, _ in curves(checkout / "board" / record.path.name / "seed-0")["metrics/return"]]
        assert halfway == [ROLLOUT, 2 * ROLLOUT]
        board.complete(record)
    shown = curves(checkout / "board" / record.path.name / "seed-0")["metrics/return"]
    assert [step for step, _ in shown] == [ROLLOUT, 2 * ROLLOUT, 3 * ROLLOUT]


def test_what_an_earlier_training_left_is_hidden(checkout: Path) -> None:
    """TensorBoard drops what files before say of the steps from a start on."""
    rows = [("metrics", {"seed": 0, "step": 10, "return": 1.0})]
    with TensorBoard(checkout / "board") as board:
        board.reported(Report("own/x", 10, 0, 1.0, 1.0, rows))
    (file,) = (checkout / "board" / "x" / "seed-0").iterdir()
    starts = [event for event in events(file.read_bytes()) if event.session_log.status == 1]
    assert [event.step for event in starts] == [0]


@pytest.mark.usefixtures("at_once")
def test_without_its_writer_tensorboard_is_refused(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recall.tensorboard.find_spec", lambda name: None)
    assert main([*TRAIN, "--tensorboard"]) == 1
    output, error = capsys.readouterr()
    assert output == ""
    assert left_behind(checkout) == []
    assert error == (
        "recall: --tensorboard needs tensorboardX, which is not installed; leave the option out, or pip install "
        "'recall-traces[tensorboard]'\n"
    )
