"""Whether an environment is usable, and what to change: `recall doctor`."""
