"""Environment steps of all purposes: summed in a row, and common to the seeds of an arm."""

import pandas as pd

from recall.analysis.goal_plots import PURPOSES, with_all_steps


def test_steps_of_all_purposes_are_the_mean_over_seeds_of_their_sum() -> None:
    rows = [
        ("u", "baseline", 0, 0, (0, 0, 0, 10)),
        ("u", "baseline", 0, 1, (100, 20, 3, 30)),
        ("u", "baseline", 1, 0, (0, 0, 0, 14)),
        ("u", "baseline", 1, 1, (100, 30, 5, 40)),
        ("u", "recall", 0, 1, (100, 0, 0, 1)),
    ]
    metrics = pd.DataFrame(
        [(env, arm, seed, step, *counts) for env, arm, seed, step, counts in rows],
        columns=["env", "arm", "seed", "outer_step", *PURPOSES],
    )
    assert with_all_steps(metrics)["all_steps"].tolist() == [12, 164, 12, 164, 101]
