"""Gymnasium's registered environments: made or refused in a sentence, and what of them the agents can use."""

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box

from recall.errors import ConfigError


def registered(env_id: str) -> EnvSpec:
    """What Gymnasium knows of an environment.

    Raises:
        ConfigError: it knows none of this id, or the id's module cannot be imported.
    """
    module, _, name = env_id.rpartition(":")
    try:
        if module:
            import_module(module)
    except ImportError as error:
        raise ConfigError(
            f"env_id is {env_id!r}, but {module} cannot be imported; install it, or go to its folder ({error})"
        ) from error
    except Exception as error:
        raise ConfigError(f"env_id is {env_id!r}, but importing {module} raises {in_words(error)}; mend it") from error
    if name not in gym.registry:
        near = get_close_matches(name, gym.registry, n=3, cutoff=0.5)
        hint = f", such as {', '.join(near)}" if near else " (gymnasium.pprint_registry() lists them)"
        raise ConfigError(f"env_id is {env_id!r}, which Gymnasium does not know; give a registered id{hint}")
    return gym.registry[name]


def made(env_id: str, **settings: Any) -> gym.Env:
    """The environment, whatever goes in and comes out.

    Raises:
        ConfigError: there is no such environment, it needs a missing package, or its own code fails.
    """
    spec = registered(env_id)
    try:
        with _no_word_of_models(spec):
            return gym.make(spec, **settings)
    except (gym.error.Error, ImportError) as error:
        reason = str(error).rstrip(".")
        raise ConfigError(
            f"{env_id} cannot be made ({reason}); install what it needs or choose another env_id"
        ) from error
    except Exception as error:
        raise ConfigError(f"{env_id} cannot be made: its code raises {in_words(error)}; mend it") from error


@contextmanager
def _no_word_of_models(spec: EnvSpec) -> Iterator[None]:
    """Of Gymnasium's own models, which nobody here can mend, MuJoCo warns neither console nor a file in the folder."""
    if not str(spec.entry_point).startswith("gymnasium.envs.mujoco"):
        yield
        return
    from mujoco import MjLogConfig

    before, silent = MjLogConfig.get(), MjLogConfig.get()
    silent.logto_console = silent.logto_file = False
    silent.set()
    try:
        yield
    finally:
        before.set()


def in_words(error: Exception) -> str:
    """What an environment's code raised: the error's name, what it says on one line, and where."""
    words = " ".join(str(error).split())
    trace = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_own(Path(frame.filename))]
    place = f" ({Path(trace[-1].filename).name}, line {trace[-1].lineno})" if trace else ""
    return f"{type(error).__name__}{f': {words}' if words else ''}{place}"


def _is_own(file: Path) -> bool:
    """Whether a file is neither of this package nor of an installed one, nor part of Python's import system."""
    package = Path(__file__).parents[1]
    return file.is_absolute() and package not in file.parents and not {"site-packages", "lib"} & set(file.parts)


def check_observation(env_id: str, env: gym.Env) -> None:
    """Refuse observations that the agents cannot use."""
    _vector(f"{env_id} observes", env.observation_space)


def check_action(env_id: str, env: gym.Env) -> None:
    """Refuse actions that the agents cannot use."""
    space = _vector(f"{env_id} has the actions", env.action_space)
    if not space.is_bounded():
        raise ConfigError(
            f"{env_id} has the actions {space}; they must have finite bounds, so choose another env_id or register "
            "the environment in a wrapper that bounds them"
        )


def _vector(what: str, space: gym.Space) -> Box:
    if isinstance(space, Box) and len(space.shape) == 1 and np.issubdtype(space.dtype, np.floating):
        return space
    raise ConfigError(
        f"{what} {' '.join(str(space).split())}; only a vector of real numbers (a one-dimensional float Box) is "
        "allowed, so choose another env_id or register the environment in a wrapper that gives one"
    )


def time_limit(env: gym.Env) -> int:
    """Steps until an episode is truncated; refuse an environment in which an evaluation might never end."""
    assert env.spec is not None  # gymnasium.make gave it one
    if env.spec.max_episode_steps is None:
        raise ConfigError(
            f"{env.spec.id} has no time limit, and an episode that never ends could not be evaluated; register it with "
            "max_episode_steps or choose another env_id"
        )
    return env.spec.max_episode_steps
