"""The page on deviations: no setting without a source, and the value that is really used."""

from dataclasses import fields, replace

import pytest

from recall.deviations import NAMES, PARTS, Setting, deviations, field_lines, settings, switches, value_used, write
from recall.experiments import ARENAS, ARMS, Arm, four_rooms
from recall.pages import AntMazeParameters, GoalGanParameters, SacParameters, TrpoParameters
from recall.runs import RunSpec

SETTINGS = [setting for part in PARTS for setting in settings(part)]


class Sample:
    """A class with fields of every kind."""

    one: int = 1
    """Over
    two lines. Ours."""
    two: int = 2
    three: int = 3
    "In other quotes."

    def four(self) -> None:
        """A method is no field."""

    five: int = 5
    five + 1


class Special(Sample):
    """One with more fields, and one of the base's changed."""

    six: int = 6
    """More. Ours."""
    two: int = 22
    """Changed. Ours."""


def published(part: str) -> list[RunSpec]:
    pages = {
        "sac": SacParameters(arms="all"),
        "trpo": TrpoParameters(arms="all"),
        "goal-gan": GoalGanParameters(arms="all"),
        "ant-maze": AntMazeParameters(),
    }
    page = pages.get(part.partition(" ")[0])
    return page.specs() if page else four_rooms()


def setting(part: str, name: str) -> Setting:
    (found,) = [each for each in settings(part) if each.name == name]
    return found


@pytest.mark.parametrize("each", SETTINGS, ids=lambda each: f"{each.part}-{each.name}")
def test_every_setting_names_its_source(each: Setting) -> None:
    assert each.line.endswith(".")
    assert each.names_source, f"say who chose {each.name}: a section of the paper, or ours"


@pytest.mark.parametrize("part", PARTS)
def test_every_field_is_listed(part: str) -> None:
    assert {each.name for each in settings(part)} == {field.name for field in fields(PARTS[part][0])} - NAMES


def test_lines_are_read_from_below_their_fields() -> None:
    assert field_lines(Sample) == {
        "one": "Over two lines. Ours.",
        "two": "",
        "three": "In other quotes.",
        "five": "",
    }


def test_a_base_is_read_too() -> None:
    assert field_lines(Special) == field_lines(Sample) | {"six": "More. Ours.", "two": "Changed. Ours."}


@pytest.mark.parametrize(
    ("line", "source", "stated"),
    [
        ("Steps of a trace. Not stated in the paper; ours.", True, "no"),
        ("Share that is left. Ours: takes away a bias.", True, "no"),
        ("States to start from. Algorithm 1 line 6 takes the best one.", True, "yes"),
        ("Traces an update, N of Algorithm 2. Not stated in the paper; ours.", True, "in part"),
        ("Cells along a side. The paper has 11, 15, 19; not stated of what.", True, "in part"),
        ("Steps of a trace. Table 2: 20 for Hopper.", True, "yes"),
        ("Step size. Not stated in the paper; Haarnoja et al. 2018b, Table 1.", True, "no"),
        ("Fixed temperature. Not stated in the paper; Haarnoja et al. 2018, Sec. 5.", True, "no"),
        ("Units of the hidden layers. Held et al. 2017.", True, "by reference"),
        ("Dimensions. Fig. 8; Held et al. 2017 have 2 to 6.", True, "yes"),
        ("Radius. Held et al. 2017; corners are ours.", True, "no"),
        ("Outer steps. Fig. 8 has up to 60; ours, for curves that end.", True, "in part"),
        ("Hours of a day.", False, "yes"),
        ("", False, "yes"),
    ],
)
def test_what_a_line_says_of_its_source(line: str, source: bool, stated: str) -> None:
    found = Setting("recall", "x", line)
    assert (found.names_source, found.stated if source else "yes") == (source, stated)


@pytest.mark.parametrize(
    ("part", "name", "value"),
    [
        ("environment", "slip", "0"),
        ("environment", "horizon", "None; 200 in side-19-hard"),
        ("environment", "side", "11 in side-11; 15 in side-15; 19 in side-19, side-19-hard"),
        ("actor-critic", "hidden", "64, 64"),
        ("recall", "known_goal", "False; True in known-goal"),
        (
            "recall",
            "model",
            "true, true-uniform, learned, learned-both, untrained, untrained-network, by arm",
        ),
        ("sac", "hidden", "256, 256"),
        ("sac recall", "weight", "0.01 in recall; 1 in as-written"),
        ("sac recall", "target_fraction", "0.01 in recall; None in as-written"),
        ("sac run", "total_steps", "300000"),
        ("trpo", "target_kl", "0.01"),
        ("trpo recall", "kl_share", "0.1; None in as-written"),
        ("trpo recall", "length", "20 in HalfCheetah-v5, Walker2d-v5; 10 in Hopper-v5; 50 in Ant-v5"),
        ("trpo recall", "learn_from", "buffer; trajectories in recall-trajectories"),
        ("trpo run", "eval_every", "49152"),
        ("goal-gan policy", "discount", "0.995; 0.99 in point-u-maze"),
        ("goal-gan curriculum", "label_attempts", "3; 0 in point-u-maze"),
        ("goal-gan networks", "updates", "100; 300 in point-u-maze"),
        ("goal-gan recall", "kl_share", "0.1 in recall; None in as-written"),
        ("goal-gan recall", "velocity", "nearest in recall; rest in as-written"),
        ("goal-gan box", "dimension", "2, 3, 4, 5, 6, by environment"),
        ("goal-gan maze", "cell_size", "2"),
        ("goal-gan run", "outer_steps", "100"),
        ("ant-maze maze", "time_step", "0.02"),
        ("ant-maze run", "outer_steps", "60"),
    ],
)
def test_the_value_is_the_one_that_is_used(part: str, name: str, value: str) -> None:
    assert value_used(setting(part, name), published(part)) == value


def test_a_value_that_varies_with_arm_and_environment_is_a_range() -> None:
    arms: dict[str, Arm] = {name: replace(ARMS["true"], sides=sides) for name, sides in (("a", 1), ("b", 3))}
    specs = four_rooms(ARENAS[:2], arms, range(2))
    assert value_used(setting("recall", "length"), specs) == "11 to 45, by arm and environment"


def test_the_table_has_a_row_a_setting() -> None:
    for part in PARTS:
        table = deviations(published(part), part)
        assert list(table["setting"]) == [each.name for each in settings(part)]
        assert not (table == "").any(axis=None)


def test_a_page_without_a_part_has_no_row_of_it() -> None:
    assert [part for part in PARTS if deviations(four_rooms(), part).empty] == [
        p for p in PARTS if p.startswith(("sac", "trpo", "goal-gan", "ant-maze"))
    ]
    both = [*four_rooms(), *SacParameters().specs(), *TrpoParameters().specs()]
    assert value_used(setting("run", "total_steps"), both) == value_used(setting("run", "total_steps"), four_rooms())
    assert value_used(setting("sac run", "total_steps"), both) == "300000"


@pytest.mark.parametrize(("value", "text"), [(1e-5, "1e-05"), (0.3, "0.3"), (None, "None"), ((64, 32), "64, 32")])
def test_values_are_written_for_people(value: object, text: str) -> None:
    assert write(value) == text


def test_switches_are_the_settings_in_which_the_arms_differ() -> None:
    specs = SacParameters(env_id="Swimmer-v5,Ant-v5", arms="all").specs()
    names = ["target_fraction", "normalise", "action_std", "stay_in_range", "joint", "weight", "pre_tanh"]
    assert switches(specs, "sac recall")["setting"].tolist() == names
    assert switches([spec for spec in specs if spec.arm != "as-written"], "sac recall").empty
    assert switches([spec for spec in specs if spec.arm == "baseline"], "sac recall").empty
