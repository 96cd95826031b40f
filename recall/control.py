"""What trainings on Gymnasium environments have in common: how they are evaluated, and the policies they leave."""

from typing import ClassVar, Protocol

import numpy as np

from recall.envs.gym_env import GymConfig, GymEnv
from recall.envs.gym_vector import GymEnvs
from recall.evaluation import evaluate, evaluation_seeds
from recall.identity import state_digest
from recall.logbook import Means
from recall.loop import Training
from recall.runs import RunSpec


class Actor(Protocol):
    """Who acts in an environment."""

    def act(self, obs: np.ndarray, noise: np.ndarray | float = 0.0, runs: slice = slice(None)) -> np.ndarray:
        """Actions (runs, n, action_dim) for obs (runs, n, obs_dim); the mean's without noise."""


class ControlTraining(Training):
    """Agents on a Gymnasium environment."""

    episodes: ClassVar[int]
    """Episodes of the mean action an evaluation."""
    digest_every: ClassVar[int]
    """Updates between two rows of the table *digests*."""
    digested: ClassVar[tuple[str, ...]]
    """Parts whose states it has digests of."""

    envs: GymEnvs
    """Where they are trained."""
    agent: Actor
    """Who is trained."""

    def __init__(self, spec: RunSpec) -> None:
        super().__init__(spec)
        assert isinstance(spec.env, GymConfig)
        self.eval_env = GymEnv(spec.env)
        self.learned = Means()

    def close(self) -> None:
        """End an update: count it, and write down what is due."""
        self.update += 1
        if self.update % self.digest_every == 0:
            self.log.add("digests", self.steps, self._digests())
        if self.evaluation_due:
            with self.clock("evaluation"):
                self._evaluate()

    def _digests(self) -> dict[str, np.ndarray]:
        """What an audit compares with: digests of the group, so the same for each of its seeds."""
        found = {name: state_digest(part.state()) for name, part in self._parts().items() if name in self.digested}
        return {name: np.full(len(self.spec.seeds), digest) for name, digest in found.items()}

    def _evaluate(self) -> None:
        self.log.add("metrics", self.steps, self.evaluation())

    def evaluation(self) -> dict[str, np.ndarray]:
        """A row of metrics: the mean actions' score, the returns in training, what was learned since the last row."""
        index = -(-self.update // self.spec.eval_every) - 1
        seeds = evaluation_seeds(index, self.episodes)
        scores = np.array([self._evaluate_run(run, seeds) for run in range(len(self.spec.seeds))])
        metrics = {"return": scores[:, 0], "episode_length": scores[:, 1], "train_return": self.envs.take_returns()}
        return metrics | self.learned.take()

    def _evaluate_run(self, run: int, seeds: range) -> tuple[float, float]:
        def act(obs: np.ndarray) -> np.ndarray:
            action = self.agent.act(obs.astype(np.float32)[None, None], runs=slice(run, run + 1))
            return self.eval_env.rescale(np.clip(action[0, 0], -1, 1))

        return evaluate(self.eval_env.env, act, seeds)
