"""The U of Fig. 3 and Fig. 4: where its corridor is, whatever walks there."""

import numpy as np

CELLS = ((0, 0), (1, 0), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2))
"""The free cells from start to tip, as (x, y) in cells from the start (Held et al. 2017, maze 0)."""


class UShape:
    """A square room of three by three cells, and one wall, two cells long, that stands out from its left side.

    Args:
        cell_size: width of the corridor and of the wall; the first cell's middle is (0, 0).
        goal_range: goals, feasible or not, lie so far or less from the middle of the room in each coordinate.
    """

    dimension = 2

    def __init__(self, cell_size: float, goal_range: float) -> None:
        self.cell_size, self.goal_range = cell_size, goal_range
        self.goal_centre = np.full(2, cell_size)

    def feasible(self, goals: np.ndarray) -> np.ndarray:
        """Which goals (..., 2) lie inside a free cell (source; the size of a body does not count), (...)."""
        size = self.cell_size
        inside = ((goals > -size / 2) & (goals < 2.5 * size)).all(-1)
        x, y = goals[..., 0], goals[..., 1]
        return inside & ~((x <= 1.5 * size) & (y >= size / 2) & (y <= 1.5 * size))

    def sample_goals(self, generator: np.random.Generator, n: int) -> np.ndarray:
        """Feasible goals, drawn uniformly, (n, 2)."""
        cells = np.array(CELLS)[generator.integers(len(CELLS), size=n)]
        return self.cell_size * (cells + generator.uniform(-0.5, 0.5, (n, 2)))

    def goal_grid(self, per_side: int = 4) -> np.ndarray:
        """Goals that divide each free cell evenly, (cells * per_side ** 2, 2) (Held et al. 2017 have 4 a side)."""
        offsets = (np.arange(per_side) + 0.5) / per_side - 0.5
        within = np.stack(np.meshgrid(offsets, offsets, indexing="ij"), -1).reshape(-1, 2)
        return self.cell_size * (np.array(CELLS)[:, None] + within).reshape(-1, 2)

    def walls(self) -> np.ndarray:
        """Lower and upper corners of the walls, (5, 2, 2): four around the room, a cell thick, and the one within."""
        low, high, inner = -0.5, 2.5, 1.5
        corners = [
            *(((low - 1, low - 1), (low, high + 1)), ((high, low - 1), (high + 1, high + 1))),
            *(((low, low - 1), (high, low)), ((low, high), (high, high + 1))),
            ((low, 0.5), (inner, inner)),
        ]
        return self.cell_size * np.array(corners)
