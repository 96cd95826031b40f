"""The loop of trust regions with recall: what recall moves and what not, its record, kills, numbers that are none."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rings import assert_same, load
from small_control import CART, run_eagerly, sac_spec
from small_runs import csv, small_spec, texts
from small_trust_region import ARMS, check_stops, recall_spec, recalling, set_number, trained
from test_training import run_until

from recall.agents.sac import SACConfig
from recall.buffers import Rollout
from recall.checkpoints import Checkpoint
from recall.runs import numerics, spec_json
from recall.specs import spec_from_json
from recall.training import begin, train
from recall.trust_region import TrustRegionTraining

RECALL_ARMS = [arm for arm in ARMS if arm != "baseline"]


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    run_eagerly(monkeypatch)


def watched(training: TrustRegionTraining) -> list[dict[str, np.ndarray]]:
    """What each iteration of recall will return."""
    recaller, found = recalling(training), list[dict[str, np.ndarray]]()
    update = recaller.update

    def keep(rollout: Rollout) -> dict[str, np.ndarray]:
        found.append(update(rollout))
        return found[-1]

    recaller.update = keep  # type: ignore[method-assign]
    return found


# What recall moves and what not


@pytest.mark.parametrize("engine", ["compiled", "eager"])
def test_numerics_name_the_engine_of_the_model_and_of_no_other_kind_of_run(
    engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recall.engine.engine", lambda: engine)
    plain = numerics(recall_spec("baseline"))
    assert numerics(recall_spec()) == plain | {"model_engine": engine}
    assert set(plain) == {"engine", "precision", "group", "torch", "numpy", "processor"}
    assert plain["engine"] == "numpy"
    monkeypatch.setattr(SACConfig, "numerics", {"engine": "native", "precision": "float32"})
    assert numerics(sac_spec("repaired", env_id=CART)) == numerics(sac_spec(env_id=CART))
    assert numerics(small_spec("learned")) == numerics(small_spec())


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_weight_0_is_trust_region_policy_optimisation_byte_for_byte(arm: str) -> None:
    baseline, without = trained(recall_spec("baseline", (0, 1))), trained(recall_spec(arm, (0, 1), weight=0.0))
    assert recalling(without).traces is not None
    assert_same(without.agent.state(), baseline.agent.state())
    tables, others = texts(baseline.result()), texts(without.result())
    assert set(others) - set(tables) == {"recall"}
    assert all(others[name] == table for name, table in tables.items())
    assert (without.tables()["recall"]["rollout_kl"].dropna() == 0).all()
    assert_same(without.envs.state(), baseline.envs.state())


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_with_a_weight_it_differs_from_the_first_traces_on(arm: str) -> None:
    baseline, recall = (train(recall_spec(each)).tables["metrics"] for each in ("baseline", arm))
    assert csv(baseline) != csv(recall)


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_recall_takes_no_number_from_the_agent(arm: str) -> None:
    streams = [trained(recall_spec(each, weight=0.0) if each != "baseline" else recall_spec(each)).streams.state()
               for each in ("baseline", arm)]  # fmt: skip
    for name in ("init", "env", "policy", "replay"):
        assert streams[0][name] == streams[1][name]
    for name in ("model_init", "model", "traces"):
        assert streams[0][name] != streams[1][name]


def test_imitation_keeps_to_its_share_of_the_trust_region() -> None:
    training = TrustRegionTraining(recall_spec(seeds=(0, 1), kl_share=0.02))
    found = watched(training)
    while training.update < 8:
        training.step()
    assert len(found) == 8
    assert all((each["rollout_kl"] <= 0.02 * training.agent.target_kl).all() for each in found)
    assert min(each["step_share"].min() for each in found) < 1


def test_measuring_more_often_changes_nothing_that_is_learned() -> None:
    often, once = trained(recall_spec(updates=8)), trained(replace(recall_spec(updates=8), eval_every=8))
    assert_same(often.agent.state(), once.agent.state())
    assert often.streams.state() == once.streams.state()


# The record


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_tables_of_a_training(arm: str) -> None:
    result = train(recall_spec(arm, (4, 2)))
    table = result.tables["recall"]
    assert table["seed"].tolist() == [2] * 3 + [4] * 3
    assert table["step"].tolist() == [240, 480, 540] * 2
    expected = ["seed", "step", "action_nll", "state_nll", "state_unit", "target_value", "trace_length",
                "imitation_loss", "gradient_ratio", "gradient_cosine", "imitation_kl", "rollout_kl", "step_share",
                "entropy", "trust_region_kl", "in_range", "reach_1", "data_distance_1", "reach_last",
                "data_distance_last", "reach_real", "data_distance_real", "held_out_action_nll",
                "held_out_state_nll"]  # fmt: skip
    assert list(table) == expected
    empty = ["reach_1", "reach_last", "reach_real"]  # a cart has no simulator
    assert table.drop(columns=empty).notna().to_numpy().all()
    timing = result.timing.set_index("phase")["seconds"]
    assert (timing > 0).all()


def test_what_really_happened_can_be_reached() -> None:
    table = train(recall_spec(env_id="InvertedPendulum-v5")).tables["recall"]
    assert (table["reach_real"] < 1e-6).all()
    assert (table["reach_1"] > 1e-3).all()


def test_rows_are_means_over_the_iterations_since_the_last() -> None:
    training = TrustRegionTraining(recall_spec())
    found = watched(training)
    while training.update < 8:
        training.step()
    row = training.tables()["recall"].iloc[1]
    for name in ("imitation_kl", "rollout_kl", "step_share", "action_nll"):
        assert row[name] == pytest.approx(np.mean([each[name][0] for each in found[4:]]))


@pytest.mark.parametrize("arm", ARMS)
def test_specifications_come_back(arm: str) -> None:
    spec = recall_spec(arm, (3, 4))
    assert spec_from_json(spec_json(spec)) == spec
    assert isinstance(begin(spec), TrustRegionTraining)


# The same numbers, another time


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_the_same_specification_gives_the_same_bytes_and_another_seed_others(arm: str) -> None:
    first, again, other = (train(recall_spec(arm, (seed,))) for seed in (0, 0, 1))
    assert texts(again) == texts(first)
    assert texts(other)["recall"] != texts(first)["recall"].replace("\n0,", "\n1,")


@pytest.mark.parametrize("arm", RECALL_ARMS)
def test_going_on_from_a_checkpoint_changes_nothing(arm: str, tmp_path: Path) -> None:
    spec = recall_spec(arm, (0, 1))
    expected = trained(spec)
    for update in (1, 4, 6):
        goes_on = TrustRegionTraining(spec)
        Checkpoint(tmp_path).save(trained(spec, update).state())
        state = load(tmp_path)
        assert state is not None
        goes_on.load_state(state)
        while goes_on.update < spec.n_updates:
            goes_on.step()
        assert texts(goes_on.result()) == texts(expected.result())
        assert_same(goes_on.agent.state(), expected.agent.state())
        assert_same(recalling(goes_on).state(), recalling(expected).state())


KILLABLE = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import pytest
import recall.training
from small_control import run_eagerly
from small_runs import report, texts
from small_trust_region import recall_spec
recall.training.CHECKPOINT_SECONDS = -1
run_eagerly(pytest.MonkeyPatch())
result = recall.training.train(recall_spec({arm!r}, (0, 1), 25), Path({file!r}), report)
print(texts(result))
"""


@pytest.mark.parametrize("arm", ["repaired", pytest.param("reward-to-go", marks=pytest.mark.slow)])
def test_a_killed_process_goes_on_to_the_same_bytes(arm: str, tmp_path: Path) -> None:
    code = KILLABLE.format(tests=str(Path(__file__).parent), arm=arm, file=str(tmp_path / "checkpoint"))
    run_until(code, 11)
    begins, output = run_until(code, 10**6)
    assert begins == 12
    assert output.splitlines()[-1] == str(texts(train(recall_spec(arm, (0, 1), 25))))


# Numbers that are none


def number(path: str, value: float) -> Callable[[TrustRegionTraining], None]:
    """A fault in one number of the recaller's state, in place: a path such as model/actions/0."""

    def inject(training: TrustRegionTraining) -> None:
        set_number(recalling(training).state(), path, value)

    return inject


NAN, INF = np.nan, np.inf
FAULTS: dict[str, tuple[Callable[[TrustRegionTraining], None], str]] = {
    "action predictor": (number("model/actions/0", NAN), "^recall after 360 steps: backtracking model, traces is NaN"),
    "state predictor": (number("model/states/5", INF), "^recall after 360 steps: backtracking model"),
    "model moments": (number("model/moments/0", NAN), "^recall after 360 steps: backtracking model, traces is NaN"),
    "mean": (number("units/obs/mean", NAN), "^recall after 360 steps: normalisation, backtracking model, traces is"),
    "deviation": (number("units/delta/squares", INF), "^recall after 360 steps: normalisation, traces is NaN"),
    "first moment": (number("imitation/first", NAN), "^update 6: imitation's first is NaN or infinite"),
    "second moment": (number("imitation/second", INF), "^update 6: imitation's second is NaN or infinite"),
}


@pytest.mark.parametrize("place", FAULTS)
def test_a_number_that_is_none_stops_the_run_at_that_update(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The gate that ends traces and the bound on the step do not hide it."""
    check_stops(recall_spec(env_id=CART), tmp_path, monkeypatch, *FAULTS[place])
