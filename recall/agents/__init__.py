"""Agents: they act, they value, they update from a batch and return metrics; they know no environment and no file."""
