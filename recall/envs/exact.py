"""What a policy is worth in a grid, computed instead of sampled: evaluation without noise."""

import numpy as np

from recall.envs.four_rooms import FourRooms


def effective_probs(probs: np.ndarray, slip: float) -> np.ndarray:
    """Distribution of the executed action: with probability `slip` it is drawn uniformly."""
    return (1 - slip) * probs + slip / probs.shape[-1]


def arrival(probs: np.ndarray, grid: FourRooms, horizon: int) -> np.ndarray:
    """Probability of reaching the goal at each step, by propagating the start distribution.

    Args:
        probs: executed actions' distribution, (runs, states, actions).
        grid: the layout.
        horizon: steps of an episode.

    Returns:
        (runs, horizon): entry t is the probability that step t + 1 is the one that reaches the goal.
    """
    # A state is entered from its neighbours, or stays what it is by bumping: sums of gathers, no scatter.
    sources = np.maximum(grid.predecessor, 0)
    flow_in = probs[:, sources, np.arange(grid.n_actions)] * (grid.predecessor >= 0)
    bumps = grid.next_state == np.arange(grid.n_states)[:, None]
    stay = (probs * bumps).sum(2)
    occupancy = np.broadcast_to(grid.start_distribution, probs.shape[:2]).copy()
    reached = np.empty((len(probs), horizon))
    for t in range(horizon):
        occupancy = np.einsum("rsa,rsa->rs", flow_in, occupancy[:, sources]) + stay * occupancy
        reached[:, t] = occupancy[:, grid.goal]
        occupancy[:, grid.goal] = 0
    return reached


def evaluate(probs: np.ndarray, grid: FourRooms, horizon: int, discount: float) -> dict[str, np.ndarray]:
    """Success probability, expected length of successful episodes and expected discounted return, (runs,) each."""
    reached = arrival(probs, grid, horizon)
    steps = np.arange(1, horizon + 1)
    success = reached.sum(1)
    with np.errstate(invalid="ignore"):
        length = np.where(success > 1e-6, (reached * steps).sum(1) / success, np.nan)
    return {"success": success, "path_length": length, "return": (reached * discount ** (steps - 1.0)).sum(1)}


def discounted_values(probs: np.ndarray, grid: FourRooms, discount: float) -> np.ndarray:
    """Exact V^pi of every state without a horizon, by solving Bellman's equation, (runs, states); 0 at the goal."""
    n_runs, n_states = probs.shape[:2]
    transition = np.zeros((n_runs, n_states, n_states))
    for action in range(grid.n_actions):
        transition[:, np.arange(n_states), grid.next_state[:, action]] += probs[:, :, action]
    transition[:, grid.goal] = 0
    reward = transition[:, :, grid.goal].copy()
    transition[:, :, grid.goal] = 0
    return np.linalg.solve(np.eye(n_states) - discount * transition, reward[..., None])[..., 0]


def replay_return(obs: np.ndarray, action: np.ndarray, grid: FourRooms, discount: float) -> np.ndarray:
    """Discounted return of executing actions from a state in the environment without slip.

    Args:
        obs: first states, (...).
        action: actions in the order of time, (..., steps); -1 does nothing and takes no time.
        grid: the layout.
        discount: per executed step.
    """
    state, time, result = obs.copy(), np.zeros(obs.shape), np.zeros(obs.shape)
    for t in range(action.shape[-1]):
        acts = (action[..., t] >= 0) & (state != grid.goal)
        state = np.where(acts, grid.next_state[state, action[..., t]], state)
        arrives = acts & (state == grid.goal)
        result = np.where(arrives, discount**time, result)
        time = time + acts
    return result
