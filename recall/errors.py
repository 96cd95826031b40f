"""What can go wrong, each with one sentence for the person who caused it."""


class RecallError(Exception):
    """Base of every error the package raises on purpose; the command line prints its sentence and exits with 1."""


class ConfigError(RecallError, ValueError):
    """A setting is outside what is allowed."""


class ParameterError(RecallError, ValueError):
    """A page was given a parameter it does not have, or a value it cannot take."""


class RecordError(RecallError):
    """A stored record is damaged, edited, foreign, missing, or may not be compared."""


class CheckpointError(RecallError):
    """A checkpoint is damaged or belongs to another run."""


class TrainingStoppedError(RecallError):
    """A training was asked to stop before its end."""


class NonFiniteError(RecallError):
    """An observation, a reward or a quantity of the learner is NaN or infinite."""
