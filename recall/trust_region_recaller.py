"""Recall traces around trust region policy optimisation (Sec. 6.3, 11.1): a buffer of its own, one recall a rollout."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np

from recall.agents.trpo_learner import TRPO
from recall.best_tuples import BestTuples
from recall.buffers import Rollout, by_run
from recall.errors import ConfigError
from recall.imitating_tracer import ImitatingConfig, ImitatingTracer
from recall.rewards_to_go import RewardsToGo, transitions
from recall.seeding import Streams
from recall.tracer import check_counts, check_share


@dataclass(frozen=True)
class TrustRegionRecallConfig(ImitatingConfig):
    """How recall traces are made and how they pull the policy. The defaults are the arm *repaired*.

    The arm *as written* is Algorithm 2 with Sec. 11.1 to the letter: kl_share=None, target_fraction=None,
    normalise=False, action_std=1.0, stay_in_range=False. In both the buffer is ranked by reward, as Sec. 11.1 has it,
    and the weight is 1.

    Policies do not squash their actions: there is none before tanh. Model, traces and imitation have actions as the
    policy draws them, of which the environment executes what lies in [-1, 1]; the density that Eq. 6 raises is that of
    these. States are the environment's in the buffer and in the traces; the policy normalises them when it imitates.
    """

    version: ClassVar[int] = 1
    """Raised by every change that moves numbers; part of the identity of a run."""

    length: int = 20
    """Steps of a trace. Table 1: 20 for HalfCheetah and Walker, 10 for Hopper, 50 for Ant."""
    capacity: int = 20_000
    """Tuples that the buffer holds. Not stated in the paper; ours, as many as Sec. 11.2 has for the other agent."""
    rank: Literal["reward", "reward-to-go"] = "reward"
    """By which the buffer keeps tuples and traces start. Sec. 11.1: the reward. That to the episode's end, discounted
    as the agent does, is a variant of ours."""
    learn_from: Literal["buffer", "trajectories"] = "buffer"
    """What the model learns from. Sec. 11.1: the buffer; from the trajectories of the iteration it was unstable."""
    top_fraction: float = 0.1
    """The model learns from at most this share of all tuples so far, the best, k of Algorithm 2: of few, the buffer
    holds nearly all. Ours."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counts(self, "capacity")
        check_share(self, "top_fraction")
        if self.rank not in ("reward", "reward-to-go") or self.learn_from not in ("buffer", "trajectories"):
            raise ConfigError(
                f"rank is {self.rank!r}, learn_from {self.learn_from!r}; "
                "they must be reward or reward-to-go, and buffer or trajectories"
            )


class TrustRegionRecaller(ImitatingTracer):
    """Lines 8 to 14 of Algorithm 2 after each update of an agent with trust regions.

    Args:
        config: settings.
        agent: whose policies are pulled.
        obs_dim, action_dim: sizes.
        streams: random numbers; those of the agent are not touched.
    """

    config: TrustRegionRecallConfig

    def __init__(
        self, config: TrustRegionRecallConfig, agent: TRPO, obs_dim: int, action_dim: int, streams: Streams
    ) -> None:
        super().__init__(config, agent, obs_dim, action_dim, streams)
        n_runs = len(streams.seeds)
        self.best = BestTuples(config.capacity, n_runs, obs_dim, action_dim)
        self.fresh = BestTuples(agent.config.steps_per_update, n_runs, obs_dim, action_dim)
        """Those of the iteration, where the model learns from them."""
        self.rewards_to_go = RewardsToGo(agent.config.discount) if config.rank == "reward-to-go" else None

    @property
    def parts(self) -> dict[str, Any]:
        """Both buffers, and what is known of episodes under way."""
        parts = {"best": self.best, "fresh": self.fresh}
        return parts | ({"rewards_to_go": self.rewards_to_go} if self.rewards_to_go else {})

    @property
    def data(self) -> BestTuples:
        """The buffer, or the trajectories of the iteration."""
        return self.best if self.config.learn_from == "buffer" else self.fresh

    def update(self, rollout: Rollout) -> dict[str, np.ndarray]:
        """One iteration after the agent's update: remember, learn, recall, imitate; returns metrics, (runs,) each.

        They are empty, and nothing is recalled, until every run has a tuple in its buffer: by reward-to-go it takes an
        episode's end. Runs of one group begin together, so the report's are groups of one.

        Raises:
            NonFiniteError: the model, its units, a trace or the imitation is NaN or infinite.
        """
        self._remember(rollout)
        if not self.best.counts.all():
            return {}
        losses = self.learn(self.pools(self.data, self._learned_from()))
        self.traces = self.unroll(self._targets())
        self.refuse_non_finite(self.units.obs.count, losses)
        imitated = self.imitation.step(*self.traces.flat(), by_run(rollout.obs))
        return self.described(losses, self.best.scores[:, 0]) | imitated

    def _remember(self, rollout: Rollout) -> None:
        """Let the units and the buffer follow a rollout."""
        found = transitions(rollout)
        self.units.take_note(found)
        if self.config.learn_from == "trajectories":
            self.fresh.clear()
            self.fresh.add(found, found.reward)
        if self.rewards_to_go is None:
            self.best.add(found, found.reward)
        else:
            self.best.add(*self.rewards_to_go.add(rollout))

    def _learned_from(self) -> np.ndarray:
        """How many tuples, the best ones, the model may learn from, (runs,)."""
        counts = self.data.counts
        if self.config.learn_from == "trajectories":
            return counts
        return np.minimum(counts, np.maximum(1, (self.config.top_fraction * self.best.seen).astype(int)))

    def _targets(self) -> np.ndarray:
        """States to trace back from, (runs, traces, obs_dim): where the best of all tuples so far led."""
        return self.best.take(self.target_ranks(self.best.seen, self.best.counts)).next_obs
