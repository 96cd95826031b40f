"""Columns of the records of continuous control."""

from recall.analysis.columns import SEED, STEP, TIMING, Column, Table

NO_UPDATE = "before the first update"
NO_TRACE = "before the first traces"
NO_SIMULATOR = f"{NO_TRACE}, and where no simulator can be put into a state"
NO_HELD_OUT = f"{NO_TRACE}, and while nothing is held out"
SINCE = "mean over the updates since the last row"
STANDARD = "standard deviations of the data"

DIGEST = "12 digits"

EPISODES = (
    Column("episode_length", "steps", "Length of these episodes, mean."),
    Column(
        "train_return",
        "reward",
        "Undiscounted return of the episodes of the training that ended since the last row, mean.",
        "where none ended",
    ),
)
"""What follows the return of an evaluation."""

CONTROL_TABLES: dict[str, Table] = {
    "metrics": Table(
        "A row a seed and evaluation; every record.",
        (
            SEED,
            STEP,
            Column("return", "reward", "Undiscounted return of the mean action, mean over five episodes."),
            *EPISODES,
            Column(
                "critic_loss",
                "squared return",
                f"Half the mean squared Bellman errors of both critics, {SINCE}.",
                NO_UPDATE,
            ),
            Column(
                "actor_loss",
                "return",
                f"Temperature times log-probability of an action less its value, {SINCE}.",
                NO_UPDATE,
            ),
            Column("temperature", "reward a nat", f"Weight of the policy's entropy, {SINCE}.", NO_UPDATE),
            Column("entropy", "nats", f"Entropy of the policy in replayed states, {SINCE}.", NO_UPDATE),
            Column("critic_gradient", "norm", f"Gradient of the critics' loss, {SINCE}.", NO_UPDATE),
            Column("actor_gradient", "norm", f"Gradient of the actor's loss, without imitation, {SINCE}.", NO_UPDATE),
            Column(
                "imitation_gradient",
                "norm",
                f"Gradient that imitation added to it, weight included, {SINCE}; 0 where it takes steps of its own.",
                NO_UPDATE,
            ),
            Column("critic_parameters", "norm", f"Parameters of the critics after the update, {SINCE}.", NO_UPDATE),
            Column("actor_parameters", "norm", f"Parameters of the actor after the update, {SINCE}.", NO_UPDATE),
        ),
    ),
    "recall": Table(
        "A row a seed and evaluation; records of arms with recall. It speaks of the traces of the last iteration.",
        (
            SEED,
            STEP,
            Column(
                "action_nll",
                "nats",
                "Negative log-likelihood of actions given where they led, under unit variance, in the model's units; "
                "categorical where actions are a choice. Mean over the transitions learned from then (Eq. 5).",
                NO_TRACE,
            ),
            Column("state_nll", "nats", "The same of the states before, given action and state after.", NO_TRACE),
            Column(
                "state_unit",
                "nats",
                "What to add to state_nll for nats in the environment's units: the sum of the logarithms of the "
                "standard deviations that the state predictor counts in.",
                NO_TRACE,
            ),
            Column("target_value", "return", "The highest value among the states a trace may start from.", NO_TRACE),
            Column("trace_length", "steps", "Steps of a trace until it ended, mean over the traces.", NO_TRACE),
            Column(
                "in_range",
                "share",
                "Steps of the traces, until they ended, that lie in the range of the states seen; of all that the "
                "traces might have had.",
                NO_TRACE,
            ),
            Column(
                "reach_1",
                STANDARD,
                "How far the simulator's step from a trace's first step back ends from where it should have led, root "
                "mean square over the dimensions; median of the traces, without those whose simulation diverges.",
                NO_SIMULATOR,
            ),
            Column("reach_last", STANDARD, "The same at the last step back before the trace ended.", NO_SIMULATOR),
            Column(
                "reach_real",
                STANDARD,
                "The same for transitions that happened: what the measure itself errs by.",
                NO_SIMULATOR,
            ),
            Column(
                "data_distance_1",
                STANDARD,
                "How far the state at a trace's first step back is from the nearest of 5,000 replayed ones, root mean "
                "square over the dimensions; median of the traces.",
                NO_TRACE,
            ),
            Column("data_distance_last", STANDARD, "The same at the last step back before the trace ended.", NO_TRACE),
            Column("data_distance_real", STANDARD, "The same for a replayed state and the others.", NO_TRACE),
            Column(
                "held_out_action_nll",
                "nats",
                "As action_nll, on high-value transitions that the model never learns from.",
                NO_HELD_OUT,
            ),
            Column("held_out_state_nll", "nats", "As state_nll, on the same.", NO_HELD_OUT),
            Column(
                "gradient_ratio",
                "share",
                "Norm of the gradient of imitation, its weight included, divided by that of the policy's own, which "
                "noise makes too large where it is taken of few states; pages take the updates' own where they can.",
                NO_TRACE,
            ),
            Column("gradient_cosine", "-1 to 1", "Cosine of the angle between these gradients.", NO_TRACE),
            Column(
                "imitation_kl",
                "nats",
                "KL divergence by which one imitation moves the policy in the traced states, mean.",
                NO_TRACE,
            ),
            Column(
                "trace_advantage",
                "return",
                "Value of the recalled actions less value of the policy's mean ones in the same states, mean.",
                NO_TRACE,
            ),
        ),
    ),
    "digests": Table(
        "What to compare with when a part of a run is trained again. A row a seed and 1,000 updates (10 of TRPO): the "
        "first 12 hexadecimal digits of a SHA-256 over all seeds trained together.",
        (
            SEED,
            STEP,
            Column("agent", DIGEST, "Of the agent's parameters and their optimisers."),
            Column(
                "recaller",
                DIGEST,
                "Of the backtracking model, its units and the traces.",
                only="arms with recall traces",
            ),
            Column("learned", DIGEST, "Of the sums of what the updates since the last evaluation returned."),
        ),
    ),
    "timing": TIMING,
}
"""Every table that a record of continuous control may hold."""
