"""Recall traces: a reproduction of "Recall Traces: Backtracking Models for Efficient Reinforcement Learning"."""

__version__ = "0.1.0"
