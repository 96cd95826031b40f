"""Columns of the records of trust region policy optimisation."""

from recall.analysis.columns import SEED, STEP, TIMING, Column, Table
from recall.analysis.control_columns import CONTROL_TABLES, EPISODES, NO_TRACE, SINCE

OF_NETWORK = "records of agents with a value network"
TRACED = {column.name: column for column in CONTROL_TABLES["recall"].columns}
"""What a model and its traces are measured by, whatever the agent."""

TRUST_REGION_TABLES: dict[str, Table] = {
    "metrics": Table(
        "A row a seed and evaluation; every record.",
        (
            SEED,
            STEP,
            Column("return", "reward", "Undiscounted return of the mean action, mean over ten episodes."),
            *EPISODES,
            Column("kl", "nats", f"KL divergence of the policy after a trust-region step from that before, {SINCE}."),
            Column(
                "improvement",
                "deviations of the advantage",
                f"What the surrogate says the step gains, {SINCE}; 0 where no step was taken.",
            ),
            Column("line_search_steps", "lengths", f"How many lengths of the step were tried, {SINCE}."),
            Column("accepted", "share", f"Updates whose step was taken, {SINCE}; others left the policy as it was."),
            Column("entropy", "nats", f"Entropy of the policy, {SINCE}."),
            Column("policy_gradient", "norm", f"Gradient of the surrogate at the old policy, {SINCE}."),
            Column("policy_step", "norm", f"Longest step that the line search may take, {SINCE}."),
            Column("value_loss", "squared return", f"Mean squared error of the values, {SINCE}."),
            Column("value_gradient", "norm", f"Gradient of that loss at the last step, {SINCE}.", only=OF_NETWORK),
            Column(
                "explained_variance",
                "share",
                f"Share of the variance of the returns that the values before the update explain, {SINCE}.",
            ),
        ),
    ),
    "recall": Table(
        "A row a seed and evaluation; records of arms with recall. What imitation and model did is the mean over the "
        "iterations since the last row, what is measured of the traces speaks of those of the last one.",
        (
            SEED,
            STEP,
            *(TRACED[name] for name in ("action_nll", "state_nll", "state_unit")),
            Column(
                "target_value",
                "reward",
                "The highest reward, or reward-to-go, that led to a trace's start.",
                NO_TRACE,
            ),
            TRACED["trace_length"],
            Column("imitation_loss", "nats", "Negative log-likelihood of the recalled actions (Eq. 6).", NO_TRACE),
            TRACED["gradient_ratio"],
            TRACED["gradient_cosine"],
            Column(
                "imitation_kl",
                "nats",
                "KL divergence by which an imitation moves the policy in the traced states.",
                NO_TRACE,
            ),
            Column(
                "rollout_kl",
                "nats",
                "The same in the states of the rollout, where the trust region is measured.",
                NO_TRACE,
            ),
            Column(
                "step_share",
                "share",
                "What was left of the step of imitation, halved until it kept to its bound; 1 is all of it.",
                NO_TRACE,
            ),
            Column("entropy", "nats", "Entropy of the policy after imitation.", NO_TRACE),
            Column(
                "trust_region_kl", "nats", "KL divergence of the trust-region steps of the same iterations.", NO_TRACE
            ),
            TRACED["in_range"],
            *(
                TRACED[f"{measure}_{place}"]
                for measure in ("reach", "data_distance")
                for place in ("1", "last", "real")
            ),
            TRACED["held_out_action_nll"],
            TRACED["held_out_state_nll"],
        ),
    ),
    "digests": CONTROL_TABLES["digests"],
    "timing": TIMING,
}
"""Every table that such a record may hold."""
