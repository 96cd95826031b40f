"""Columns of the records of the four rooms."""

from recall.analysis.columns import SEED, STEP, TIMING, Column, Table

SNAPSHOT = Column("snapshot", "word", "When in the training: early, midway or late.")
ROW = Column("row", "cells", "Row of the cell, 0 at the upper wall.")
COL = Column("col", "cells", "Column of the cell, 0 at the left wall.")

NO_REWARD = "until the seed's first reward"
NO_GOAL = f"{NO_REWARD}, unless the goal is known"
NO_TRAJECTORY = "while no rewarded trajectory is there to learn from"

GRID_TABLES: dict[str, Table] = {
    "metrics": Table(
        "A row a seed and evaluation; every record.",
        (
            SEED,
            STEP,
            Column(
                "success",
                "probability",
                "Probability that an episode reaches the goal before it is truncated, computed exactly.",
            ),
            Column(
                "path_length",
                "steps",
                "Expected length of the episodes that reach the goal.",
                "while hardly any does (success up to 1e-6)",
            ),
            Column("return", "discounted reward", "Expected discounted return of an episode, computed exactly."),
            Column("value_loss", "squared return", "Half the critic's mean squared error on the last rollout."),
            Column("entropy", "nats", "Mean entropy of the policy in the states of the last rollout."),
            Column("states_visited", "cells", "Different cells entered so far while training."),
            Column(
                "states_before_reward",
                "cells",
                "Different cells entered up to the end of the rollout with the first reward.",
                NO_REWARD,
            ),
            Column("first_reward_step", "environment steps", "Step of the first reward while training.", NO_REWARD),
        ),
    ),
    "recall": Table(
        "A row a seed and evaluation; records of arms with recall. All is of the last update before the evaluation.",
        (
            SEED,
            STEP,
            Column(
                "action_nll",
                "nats",
                "Negative log-likelihood of the actions that led to given states, mean over the model's batch (Eq. 5).",
                NO_TRAJECTORY,
                "models with a learned action predictor",
            ),
            Column(
                "state_nll",
                "nats",
                "The same of the previous states.",
                NO_TRAJECTORY,
                "models with a learned state predictor",
            ),
            Column(
                "imitation_loss",
                "nats",
                "Negative log-likelihood of the recalled actions under the policy, mean over the pairs (Eq. 6).",
                NO_GOAL,
            ),
            Column("trace_length", "steps", "Pairs of a trace that are imitated, mean over the traces.", NO_GOAL),
            Column("model_gradient_steps", "gradient steps", "Those the backtracking model has taken so far."),
            Column(
                "trace_return",
                "discounted reward",
                "Return of executing the recalled actions from where the trace begins, mean over the traces.",
                NO_GOAL,
            ),
            Column(
                "policy_return",
                "discounted reward",
                "Value of the policy in the same states, without truncation, computed exactly.",
                NO_GOAL,
            ),
            Column(
                "model_tv",
                "0 to 1",
                "Total variation distance of the backtracking model to the exact posterior of the agent's behaviour, "
                "mean over the steps taken so far.",
            ),
        ),
    ),
    "occupancy": Table(
        "A row a phase and cell; every record.",
        (
            Column("phase", "word", "Before or after the rollout with the seed's first reward; that one is before."),
            ROW,
            COL,
            Column("visits", "share", "Share of the phase's steps that entered the cell, mean over the seeds."),
        ),
    ),
    "traces": Table(
        "A row a recalled pair of the first seed, at three moments; records of arms with recall.",
        (
            SNAPSHOT,
            Column("trace", "number", "Which of the traces of the update, from 0."),
            Column("position", "steps", "Steps before the one that reaches the high-value state, which is 0."),
            ROW,
            COL,
            Column("action", "number", "Recalled action in that cell: 0 up, 1 down, 2 left, 3 right."),
        ),
    ),
    "values": Table(
        "A row a cell, for the first seed at three moments; records of arms with recall.",
        (SNAPSHOT, ROW, COL, Column("value", "discounted reward", "The critic's value of the cell.")),
    ),
    "timing": TIMING,
}
"""Every table that a record of the four rooms may hold."""
