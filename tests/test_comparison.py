"""Runs trained again are held against the stored ones, and every curve that differs is named."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_records import NUMERICS, curves, write_record

from recall.analysis.comparison import RESULT, compare, differing, same_numerics
from recall.analysis.records import load_record, tidy
from recall.errors import RecordError


def record(root: Path, arm: str = "learned", **numerics: object) -> Path:
    """Ten seeds whose success grows, seed by seed a little more; the first reward is unknown for one of them."""
    frame = curves(np.linspace(0.4, 0.6, 10), [*range(1000, 10_000, 1000), np.nan])
    frame["success"] += frame["step"] / 1e5
    return write_record(root, {"metrics": frame}, arm=arm, numerics={**NUMERICS, **numerics})


@pytest.fixture
def stored(tmp_path: Path) -> pd.DataFrame:
    """Two arms as the records hold them."""
    return tidy([load_record(record(tmp_path, arm)) for arm in ("baseline", "learned")])


def changed(table: pd.DataFrame, arm: str, seed: int, step: int, value: float) -> pd.DataFrame:
    """A copy with one number changed."""
    copy = table.copy()
    place = (copy["arm"] == arm) & (copy["seed"] == seed) & (copy["step"] == step)
    assert place.sum() == 1
    copy.loc[place, "success"] = value
    return copy


@pytest.mark.parametrize("same", [True, False])
def test_equal_tables_hold_in_every_curve(stored: pd.DataFrame, same: bool) -> None:
    found = compare(stored, stored.sample(frac=1, random_state=0), same)
    assert list(found) == RESULT
    assert len(found) == 2 * 2 * (10 if same else 1)
    assert found["holds"].all()
    assert differing(found) == []


def test_one_changed_number_names_its_curve(stored: pd.DataFrame) -> None:
    """The last of six digits is enough."""
    value = stored.query("arm == 'learned' and seed == 3 and step == 7000")["success"].item()
    found = compare(changed(stored, "learned", 3, 7000, value + 1e-6), stored, same_numerics=True)
    assert differing(found) == ["side-11, learned, seed 3: success from step 7000 on"]


def test_a_number_that_appears_or_goes_is_a_difference(stored: pd.DataFrame) -> None:
    found = compare(changed(stored, "baseline", 0, 20_000, np.nan), stored, same_numerics=True)
    assert differing(found) == ["side-11, baseline, seed 0: success from step 20000 on"]


def test_a_missing_seed_is_named(stored: pd.DataFrame) -> None:
    found = compare(stored, stored[stored["seed"] != 9], same_numerics=True)
    assert {(row.seed, row.step) for row in found[~found["holds"]].itertuples()} == {(9, "1000")}


def test_other_numerics_need_only_the_band(stored: pd.DataFrame) -> None:
    """Other seeds of the same spread hold; a shifted arm does not, and the comparison says from where on."""
    shuffled = stored.assign(seed=9 - stored["seed"])
    assert differing(compare(stored, shuffled, same_numerics=False)) == []
    assert len(differing(compare(stored, shuffled, same_numerics=True))) > 20
    late = (stored["arm"] == "learned") & (stored["step"] > 15_000)
    shifted = stored.assign(success=stored["success"] + 0.3 * late)
    assert differing(compare(stored, shifted, same_numerics=False)) == [
        "side-11, learned, seed all: success from step 16000 on"
    ]


def test_a_missing_arm_is_outside_the_band(stored: pd.DataFrame) -> None:
    found = compare(stored, stored[stored["arm"] != "baseline"], same_numerics=False)
    assert {row.arm for row in found[~found["holds"]].itertuples()} == {"baseline"}


def test_tables_of_different_columns_are_refused(stored: pd.DataFrame) -> None:
    with pytest.raises(RecordError, match="columns novelty"):
        compare(stored, stored.assign(novelty=0), same_numerics=True)


def test_numerics_decide_which_comparison_is_made(tmp_path: Path) -> None:
    one, other = (load_record(record(tmp_path / name, torch=name)) for name in ("2", "3"))
    assert same_numerics([one], [one])
    assert not same_numerics([one], [other])
    assert not same_numerics([one, other], [one, other])


def test_only_models_can_differ_in_their_engine(tmp_path: Path) -> None:
    without = load_record(record(tmp_path, "baseline"))
    compiled, again, eager = (
        load_record(record(tmp_path / str(place), "learned", model_engine=engine))
        for place, engine in enumerate(("compiled", "compiled", "eager"))
    )
    assert same_numerics([without, compiled], [without, again])
    assert not same_numerics([without, compiled], [without, eager])
