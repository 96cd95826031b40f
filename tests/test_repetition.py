"""An audit: what is as it was stored agrees, what was edited with its checksum does not."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from small_control import CART, run_eagerly, sac_spec
from small_runs import small_spec

import recall.repetition
from recall.analysis.ledger import again_in_words, by_page, read_ledger
from recall.analysis.records import Record, load_record
from recall.audit import drawn, refuse_differences, row, write_down
from recall.cli import main
from recall.errors import RecordError
from recall.identity import file_sha256
from recall.off_policy import OffPolicyTraining
from recall.repetition import by_spread, repeat
from recall.runs import RunSpec, write_record
from recall.training import train


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests every 20 updates; nothing is short enough to be trained whole."""
    run_eagerly(monkeypatch)
    monkeypatch.setattr(OffPolicyTraining, "digest_every", 20)
    monkeypatch.setattr(recall.repetition, "WHOLE_SECONDS", -1)


def cart(arm: str, *seeds: int) -> RunSpec:
    return replace(sac_spec(arm, seeds or (0,), env_id=CART), env_label="cart")


def stored(root: Path, spec: RunSpec) -> Record:
    return load_record(write_record(root, spec, train(spec), {}))


def edited(record: Record, file: str, old: str, new: str) -> Record:
    """The record with a text replaced in a file, and the checksum to go with it."""
    path = record.path / file
    text = path.read_text()
    assert text.count(old) >= 1
    path.write_text(text.replace(old, new, 1))
    provenance = record.path / "provenance.json"
    content = json.loads(provenance.read_text())
    if file in content["sha256"]:
        content["sha256"][file] = file_sha256(path)
    provenance.write_text(json.dumps(content))
    return load_record(record.path)


@pytest.mark.parametrize("arm", ["baseline", "repaired", "as-written"])
def test_a_part_is_equal_to_the_byte(arm: str, tmp_path: Path) -> None:
    found = repeat(stored(tmp_path, cart(arm)), [], updates=50)
    assert (found.updates, found.of, found.comparison, found.finding, found.differs) == (
        110,
        200,
        "bytes",
        "equal",
        False,
    )
    assert found.values > 5 * 4  # digests, and more
    assert row(found)["updates"] == "110 of 200"


def test_a_short_run_is_trained_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recall.repetition, "WHOLE_SECONDS", 60)
    record = stored(tmp_path, small_spec("true"))
    found = repeat(record, [], updates=1)
    assert (found.updates, found.finding) == (found.of, "equal")
    tables = [record.table(name) for name in ("metrics", "recall", "occupancy", "traces", "values")]
    assert found.values == sum(table.size for table in tables)


@pytest.mark.parametrize("table", ["metrics", "recall", "digests"])
def test_a_number_edited_with_its_checksum_is_found(table: str, tmp_path: Path) -> None:
    record = stored(tmp_path, cart("repaired"))
    column = {"metrics": "return", "recall": "target_value", "digests": "agent"}[table]
    value = record.table(table).astype(str)[column].iloc[{"metrics": 0, "recall": 1, "digests": 3}[table]]
    forged = edited(record, f"{table}.csv", value, value[:-1] + ("7" if value[-1] != "7" else "3"))
    found = repeat(forged, [], updates=70)
    assert found.differs
    assert found.finding.startswith(f"{table}.csv, seed 0, step ")
    assert value in found.finding
    with pytest.raises(RecordError, match=f"1 of 1 runs are not what .* {record.path.name}; restore"):
        refuse_differences([found])


def test_a_table_that_is_no_longer_made_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record, tables = stored(tmp_path, cart("repaired")), OffPolicyTraining.tables
    lack = lambda training: {name: table for name, table in tables(training).items() if name != "digests"}  # noqa: E731
    monkeypatch.setattr(OffPolicyTraining, "tables", lack)
    assert repeat(record, [], updates=50).finding == "digests.csv has other rows or columns"


def test_an_audit_that_finds_a_difference_fails_the_command_and_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "papermill_runs").mkdir()
    monkeypatch.chdir(tmp_path)
    record = stored(tmp_path / "papermill_runs" / "local", small_spec("true"))
    metrics = record.table("metrics")
    edited(record, "metrics.csv", f",{metrics['success'].iloc[-1]:.6g},", ",0.123,")
    arguments = ["audit", "--local", "--seed", "3", "--updates", "1000", "--ledger", "ledger.csv"]
    assert main(arguments) == 1
    assert "1 of 1 runs are not what training them again gives" in capsys.readouterr().err
    (line,) = read_ledger(tmp_path / "ledger.csv").to_dict("records")
    assert (line["run"], line["seed"], line["differs"]) == (record.path.name, 3, True)


def test_what_was_edited_beyond_the_part_is_not_looked_at(tmp_path: Path) -> None:
    record = stored(tmp_path, cart("baseline"))
    last = str(record.table("metrics")["return"].iloc[-1])
    assert not repeat(edited(record, "metrics.csv", last, "-1"), [], updates=70).differs


def with_other_numerics(root: Path, *specs: RunSpec) -> list[Record]:
    """Records as if another processor had trained them."""
    records = [stored(root, spec) for spec in specs]
    return [edited(record, "spec.json", '"processor": "', '"processor": "another ') for record in records]


def with_ten_times_the_return(record: Record) -> Record:
    """A forged record."""
    text = (record.path / "metrics.csv").read_text().splitlines()
    place = text[0].split(",").index("return")
    for line in text[1:]:
        cells = line.split(",")
        forged = [*cells[:place], f"{10 * float(cells[place]):.6g}", *cells[place + 1 :]]
        record = edited(record, "metrics.csv", line, ",".join(forged))
    return record


def test_with_other_numerics_a_repetition_lies_as_close_as_seeds_do(tmp_path: Path) -> None:
    """An honest record does, one that got ten times the return does not, and a few seeds say nothing."""
    records = with_other_numerics(tmp_path, *(cart("baseline", seed) for seed in range(5)))
    found = repeat(records[0], records, updates=70)
    assert (found.comparison, found.finding, found.differs) == ("spread of 4 seeds", "as close as seeds are", False)
    few = repeat(records[0], records[:4], updates=70)
    assert (few.differs, few.values, few.finding) == (False, 0, "not comparable: too little is stored that early")
    found = repeat(with_ten_times_the_return(records[0]), records, updates=70)
    assert found.differs
    assert found.finding.startswith("metrics.csv: mean return is -")


def test_a_record_of_many_seeds_has_its_own_spread(tmp_path: Path) -> None:
    (record,) = with_other_numerics(tmp_path, cart("baseline", *range(5)))
    found = repeat(record, [], updates=70)
    assert (found.comparison, found.finding) == ("spread of 5 seeds", "as close as seeds are")
    assert repeat(with_ten_times_the_return(record), [], updates=70).differs


@pytest.mark.parametrize("draw", ["normal", "exponential"])
def test_honest_repetitions_are_hardly_ever_taken_for_others(draw: str) -> None:
    """Of records and repetitions as far apart as seeds are; a far larger shift is always seen."""
    rng, alarms = np.random.default_rng(0), 0
    for _ in range(150):
        scale = 10 ** rng.uniform(-3, 3, 8)
        values = scale * getattr(rng, f"standard_{draw}")((6, 8))
        frames = [pd.DataFrame([row]).add_prefix("metric_").assign(seed=0, step=1) for row in values]
        spread = pd.concat([frame.assign(record=i) for i, frame in enumerate(frames[2:])])
        alarms += by_spread(*frames[:2], spread)[1] != ""
        shifted = frames[1].assign(metric_3=frames[1]["metric_3"] + 1000 * scale[3])
        assert by_spread(frames[0], shifted, spread)[1].startswith("metrics.csv: mean metric_3 is ")
    assert alarms <= 3


def test_what_this_version_would_train_otherwise_is_not_compared(tmp_path: Path) -> None:
    record = stored(tmp_path, cart("baseline"))
    settings = record.settings | {"agent_config": record.settings["agent_config"] | {"no_such": 1}}
    found = repeat(replace(record, spec=record.spec | {"settings": settings}), [], updates=10)
    assert (found.updates, found.differs) == (0, False)
    assert found.finding.startswith("not comparable: the settings are none of a run that this version")


def test_chance_is_the_seed_s(tmp_path: Path) -> None:
    spec = cart("baseline")
    record = stored(tmp_path, spec)
    many = [replace(record, path=tmp_path / str(i)) for i in range(50)]
    first, again, other = (drawn(many, 5, seed) for seed in (1, 1, 2))
    assert first == again != other
    assert len({each.path for each in first}) == 5
    assert len(drawn(many[:3], 5, 0)) == 3


# The ledger


def test_the_ledger_gains_a_line_a_repetition(tmp_path: Path) -> None:
    """What agrees, what was edited, and what could not be compared, page by page."""
    file = tmp_path / "audits.csv"
    good, bad = (stored(tmp_path, cart("baseline", seed)) for seed in (0, 1))
    old = (bad.path / "metrics.csv").read_text().splitlines()[1].split(",")[2]
    bad = edited(bad, "metrics.csv", old, "12.5")
    write_down([repeat(good, [], 50), repeat(bad, [], 50)], 7, file)
    write_down([replace(repeat(good, [], 50), values=0, comparison="")], 8, file)
    ledger = read_ledger(file)
    assert ledger["seed"].tolist() == [7, 7, 8]
    assert ledger["run"].tolist() == [good.path.name, bad.path.name, good.path.name]
    assert ledger["differs"].tolist() == [False, True, False]
    (row,) = by_page(ledger).drop(columns="last").itertuples(index=False)
    assert tuple(row) == (good.labels["page"], 3, 1, 0, 1, 1)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["audits.csv"]
    words = {"n_records": "2", "n_again": "2", "n_differ": "1", "pages_not_again": "–"}
    assert again_in_words([good, bad], ledger) == words
    assert again_in_words([good, bad], ledger.iloc[:0])["pages_not_again"] == good.labels["page"]


def test_a_table_that_is_no_ledger_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv"
    file.write_text("a,b\n1,2\n")
    with pytest.raises(RecordError, match="is no ledger of audits; name another file"):
        write_down([], 0, file)
    assert file.read_text() == "a,b\n1,2\n"
    assert by_page(read_ledger(tmp_path / "none.csv")).empty
