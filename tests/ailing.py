"""A small environment with nothing wrong, and the same with one fault each, under the ids `Ailing-FAULT-v0`."""

import time
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Space
from gymnasium.wrappers import Autoreset

LIMIT = 20

SPACES: dict[str, tuple[Space, Space]] = {
    "discrete-actions": (Box(-9, 9, (3,)), Discrete(4)),
    "unbounded-actions": (Box(-9, 9, (3,)), Box(-np.inf, np.inf, (1,))),
    "enormous-actions": (Box(-9, 9, (3,)), Box(-1e9, 1e9, (1,))),
    "lopsided-actions": (Box(-9, 9, (3,)), Box(0, 3, (1,))),
    "other-bounds": (Box(-9, 9, (3,)), Box(-2, 2, (1,))),
    "named-parts": (Dict({"place": Box(-9, 9, (3,))}), Box(-1, 1, (1,))),
    "whole-numbers": (Box(-9, 9, (3,), np.int64), Box(-1, 1, (1,))),
    "picture": (Box(-9, 9, (1, 3)), Box(-1, 1, (1,))),
    "numbered-states": (Discrete(16), Box(-1, 1, (1,))),
    "several-choices": (Box(-9, 9, (3,)), MultiDiscrete([2, 3])),
    "small-space": (Box(-0.01, 0.01, (3,)), Box(-1, 1, (1,))),
}
"""Spaces of observations and actions, where they are the fault."""


class Ailing(gym.Env[Any, Any]):
    """A point that actions push along a line, between drifting neighbours; an episode fails beyond 3."""

    pause = 0.0
    """Seconds that a step takes."""

    def __init__(self, fault: str = "", render_mode: str | None = None) -> None:
        if fault == "constructor":
            raise KeyError("no settings")
        self.fault = fault
        self.observation_space, self.action_space = SPACES.get(fault, (Box(-9, 9, (3,)), Box(-1, 1, (1,))))
        self.chance, self.episodes, self.kept = np.random.default_rng(), 0, np.zeros(3, np.float32)

    def reset(self, *, seed: int | None = None, options: dict | None = None) -> Any:
        super().reset(seed=seed)
        start = np.zeros(3) if self.fault == "one-start" else self.np_random.uniform(-0.1, 0.1, 3)
        self.state, self.steps, self.episodes = start, 0, self.episodes + 1
        return self._obs() if self.fault == "no-info" else (self._obs(), {})

    def step(self, action: Any) -> Any:
        time.sleep(self.pause)
        self.steps += 1
        if self.fault == "raises" and self.steps == 7:
            raise ZeroDivisionError("no air left")
        push = float(np.clip(np.ravel(action)[0], -2, 2))
        if self.fault == "changes-actions":
            action *= 0
        drift = 0.0 if self.fault == "one-start" else self._drift()
        self.state = self.state + np.array([0.5 + 0.5 * push, 0.1 * drift, 0.1 * push + 0.01])
        terminated, truncated = self._end()
        if terminated and self.fault == "resets-itself":
            self.state = self.np_random.uniform(-0.1, 0.1, 3)
        return self._obs(), self._reward(), terminated, truncated, {}

    def _drift(self) -> float:
        rng = self.chance if self.fault == "own-chance" else self.np_random
        hidden = self.episodes if self.fault == "remembers" else 0
        return float(rng.normal()) + hidden

    def _end(self) -> tuple[bool, bool]:
        if self.fault == "end-for-limit":
            return self.steps == 10, False
        if self.fault == "early-limit":
            return False, self.steps == 10
        return bool(self.state[0] > 3) and self.fault != "endless", False

    def _reward(self) -> float:
        rewards = {"no-reward": 0.0, "same-reward": 1.0, "infinite-reward": np.inf}
        scale = {"large-rewards": 1e4, "small-rewards": 1e-6}
        return rewards.get(self.fault, float(self.state[0]) * scale.get(self.fault, 1.0))

    def _obs(self) -> Any:
        obs = np.clip(self.state, -9, 9).astype(np.float32)
        if self.fault == "same-array":
            self.kept[:] = obs
            return self.kept
        if self.fault in SPACES and isinstance(self.observation_space, Dict):
            return {"place": obs}
        if self.fault == "nan" and self.steps == 5:
            obs[1] = np.nan
        obs[2] = {"still": 0, "tiny": 1e-6 * obs[2], "far": 5 + 1e-5 * obs[2]}.get(self.fault, obs[2])
        space = self.observation_space
        kind = np.float64 if self.fault == "double" else space.dtype
        return obs.reshape(space.shape or (3,)).astype(kind)


def register(fault: str, **settings: Any) -> None:
    how: dict[str, Any] = {"max_episode_steps": LIMIT, "kwargs": {"fault": fault}, "entry_point": Ailing}
    gym.register(f"Ailing-{fault}-v0", **(how | settings))


for each in (
    *("nothing", "constructor", *SPACES),
    *("raises", "no-info", "own-chance", "one-start", "remembers"),
    *("end-for-limit", "early-limit", "resets-itself", "same-array", "changes-actions"),
    *("nan", "infinite-reward", "double", "still", "tiny", "far"),
    *("no-reward", "same-reward", "large-rewards", "small-rewards"),
):
    register(each)
register("unlimited", max_episode_steps=None)
register("endless", max_episode_steps=100_000)
register("wrapped", entry_point=lambda fault: Autoreset(Ailing(fault)))
