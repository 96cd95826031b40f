"""All checks of an environment, one after the other."""

from collections.abc import Callable

from recall.doctor.episodes import ends, in_place, steps, terminal
from recall.doctor.finding import Finding
from recall.doctor.making import actions, identity, limit, observations, rules
from recall.doctor.numbers import constant, declared, finite, reward_scale, scales
from recall.doctor.play import Patient
from recall.doctor.repeating import determinism, resuming, seeds
from recall.envs.gym_env import GymConfig
from recall.envs.registration import in_words
from recall.errors import ConfigError

Check = Callable[[Patient], Finding | None]
"""None where there is nothing to say: the check is about something that the environment does not have."""

CHECKS: tuple[Check, ...] = (
    *(identity, observations, actions, limit, rules),
    *(steps, finite, determinism, seeds, resuming),
    *(ends, terminal, in_place),
    *(declared, constant, scales, reward_scale),
)
"""In the order of the table."""

NEEDS_EPISODES: tuple[Check, ...] = CHECKS[6:]
"""Those that have nothing to look at where a random step raises an error."""


def examine(env_id: str) -> list[Finding]:
    """What all checks say of an environment; one that cannot be made is examined no further."""
    patient = Patient(GymConfig(env_id))
    try:
        _ = patient.env
    except ConfigError as error:
        return [Finding("id", "problem", str(error), "an id that recall train takes too, such as Pendulum-v1")]
    checks = [check for check in CHECKS if not (patient.play.error and check in NEEDS_EPISODES)]
    found = [outcome(check, patient) for check in checks]
    return [finding for finding in found if finding is not None]


def outcome(check: Check, patient: Patient) -> Finding | None:
    """What a check says; what the environment's code raises inside it is a problem by the check's name."""
    try:
        return check(patient)
    except Exception as error:  # noqa: BLE001 (the environment's code may raise anything)
        name = check.__name__.replace("_", " ")
        return Finding(name, "problem", f"the environment raised {in_words(error)}", "mend that")
