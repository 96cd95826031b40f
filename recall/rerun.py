"""What it takes to run a page with one's own parameters: what they mean, what they may be, and what a run costs."""

from collections.abc import Mapping, Sequence

import pandas as pd

from recall.deviations import field_lines, write
from recall.page_parameters import FourRoomsParameters, PageParameters
from recall.parameters import parameter_names
from recall.training import steps_of

COSTS = {
    "env_id": "grows with the numbers in observation and action, and in proportion to the environments",
    "side": "grows with the budget, about as side to the power 2.5",
    "seeds": "in proportion",
    "first_seed": "none",
    "total_steps": "in proportion",
    "horizon": "grows a little: evaluation looks as far ahead",
    "start": "none",
    "slip": "none",
    "arms": "in proportion to their number",
    "weight": "none",
    "dimension": "grows a little with it; in proportion to the environments",
    "outer_steps": "in proportion",
    "weights": "in proportion to their number",
    "length": "grows a little: longer traces are imitated",
    "lengths": "in proportion to their number",
    "counts": "in proportion to their number; a little more where they are large",
    "quantiles": "in proportion to their number",
    "eval_every": "grows as it falls: an evaluation is five episodes with SAC, ten with TRPO, 150 to 336 with Goal GAN",
    "random_steps": "falls a little: before them nothing is learned",
    "temperature": "none",
    "precision": "grows with float32",
    "full_observation": "grows: 105 and 348 numbers instead of 27 and 45",
}
"""How each parameter of a page changes the time that training takes."""


def parameter_table(schema: type[PageParameters] = FourRoomsParameters) -> pd.DataFrame:
    """A row a parameter of a page: name, meaning and range, default, cost."""
    lines = field_lines(schema)
    rows = [(name, lines[name], write(getattr(schema, name)), COSTS[name]) for name in parameter_names(schema)]
    return pd.DataFrame(rows, columns=["parameter", "meaning and range", "default", "cost"])


def cost_table(
    examples: Sequence[Mapping[str, object]],
    seconds_a_million_steps: float,
    schema: type[PageParameters] = FourRoomsParameters,
) -> pd.DataFrame:
    """A row a run: its command, how much is trained, and for how long.

    Args:
        examples: parameters of the page, those that differ from the published ones.
        seconds_a_million_steps: of one core, as measured where the published runs were trained.
        schema: the page's parameters.
    """
    rows = []
    for given in examples:
        specs = schema(**given).specs()
        millions = sum(map(steps_of, specs)) / 1e6
        minutes = millions * seconds_a_million_steps / 60
        rows.append(
            (command(given, schema), f"{millions:.1f} million", f"{minutes:.1f}" if minutes == minutes else "–")
        )
    return pd.DataFrame(rows, columns=["command", "environment steps", "minutes of one core, about"])


def command(given: Mapping[str, object], schema: type[PageParameters] = FourRoomsParameters) -> str:
    """What to type for a page with these parameters."""
    return " ".join([f"recall run {schema.page}", *(f"-p {name}={write(value)}" for name, value in given.items())])
