"""Columns of the records of Goal GAN."""

from dataclasses import replace

from recall.analysis.columns import SEED, TIMING, Column, Table
from recall.analysis.control_columns import CONTROL_TABLES
from recall.analysis.trust_region_columns import TRUST_REGION_TABLES

SINCE = "mean over the outer steps since the last row"
FIRST = "in the first row, before any training"
STEP = Column(
    "step", "environment steps", "Steps that the seed has trained on so far; those beside it are not among them."
)
OUTER_STEP = Column("outer_step", "outer steps", "How many the seed has made so far: the axis of Fig. 4, 8, 9.")
LEARNED = [
    replace(column, meaning=column.meaning.replace("over the updates since", "over the outer steps since"), empty=FIRST)
    for column in TRUST_REGION_TABLES["metrics"].columns
    if column.name
    in {
        *("kl", "improvement", "line_search_steps", "accepted", "entropy"),
        *("policy_gradient", "policy_step", "value_loss", "explained_variance"),
    }
]
"""What trust regions say of their updates."""

TRACED = {column.name: column for column in TRUST_REGION_TABLES["recall"].columns}
DIGESTS = {column.name: column for column in CONTROL_TABLES["digests"].columns}

GOAL_TABLES: dict[str, Table] = {
    "metrics": Table(
        "A row a seed and measurement of coverage, the first before any training; every record.",
        (
            SEED,
            STEP,
            OUTER_STEP,
            Column("coverage", "share", "Success over all feasible goals, with the policy's noise, mean."),
            Column(
                "return",
                "reward",
                "Undiscounted return over all feasible goals (Fig. 4), mean: the coverage, as a goal reached earns 1.",
            ),
            Column("training_steps", "environment steps", "Made so far to train the policy."),
            Column("visits_steps", "environment steps", "Made so far to see where the policy goes."),
            Column("labels_steps", "environment steps", "Made so far only to label goals."),
            Column("evaluation_steps", "environment steps", "Made so far to measure coverage, this row's included."),
            *LEARNED,
            Column("reward", "reward a step", f"In the episodes of the training, {SINCE}.", FIRST),
            Column("discriminator_loss", "squared error", f"Of the discriminator, {SINCE}.", FIRST),
            Column("generator_loss", "squared error", f"Of the generator, {SINCE}.", FIRST),
            Column(
                "good_goals",
                "share",
                f"Goals of intermediate difficulty among those that were labelled, {SINCE}.",
                FIRST,
            ),
            Column("archived_goals", "goals", f"Held in the archive, {SINCE}.", FIRST),
        ),
    ),
    "recall": Table(
        "A row a seed and measurement of coverage; records of arms with recall, from the first goal that was reached "
        "on. All are means over the iterations since the last row.",
        (
            SEED,
            STEP,
            *(TRACED[name] for name in ("action_nll", "state_nll", "state_unit")),
            Column("target_value", "share", "Feasible ones among the generated goals that traces end at."),
            *(
                TRACED[name]
                for name in ("trace_length", "imitation_loss", "gradient_ratio", "gradient_cosine", "imitation_kl")
            ),
            *(TRACED[name] for name in ("rollout_kl", "step_share", "entropy")),
        ),
    ),
    "coverage": Table(
        "A row a seed, snapshot and feasible goal; every record. Snapshots are the measurements of coverage that come "
        "before the first outer step, after 5, 30 and 60 (Fig. 8), and after the last.",
        (
            SEED,
            STEP,
            OUTER_STEP,
            Column("x", "length", "First coordinate of the goal."),
            Column("y", "length", "Second coordinate of the goal."),
            Column(
                "success",
                "share",
                "Attempts that reached it, of two for the point mass in the maze, of three elsewhere.",
            ),
        ),
    ),
    "digests": Table(
        "What to compare with when a part of a run is trained again. A row a seed and 10 outer steps: the first 12 "
        "hexadecimal digits of a SHA-256 over all seeds trained together.",
        (
            SEED,
            STEP,
            DIGESTS["agent"],
            replace(DIGESTS["agent"], name="curriculum", meaning="Of the goals' networks and of the archive."),
            replace(DIGESTS["recaller"], meaning="Of the backtracking model, its units, its tuples and the traces."),
        ),
    ),
    "timing": TIMING,
}
"""Every table that such a record may hold."""
