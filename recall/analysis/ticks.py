"""Round numbers along a logarithmic axis, whatever its range."""

from collections.abc import Iterable
from math import ceil, floor, log10

from matplotlib.ticker import MaxNLocator

MANY = 9
"""Of more numbers than this, only powers of ten are shown."""

DECADES = 6
"""Of more powers of ten than this, only every second is shown, or every third, and so on."""

PLAIN = (1e-3, 1e4)
"""Between these, numbers are written out."""

RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def round_numbers(low: float, high: float, digits: Iterable[int] = (1, 2, 5)) -> list[float]:
    """These digits times powers of ten, from `low` to `high`, above 0 both."""
    decades = range(floor(log10(low)), floor(log10(high)) + 1)
    return [number for d in decades for digit in digits if low <= (number := float(f"{digit}e{d}")) <= high]


def around(low: float, high: float) -> tuple[float, float]:
    """The nearest round numbers that leave `low` and `high` inside."""
    below = [number for number in round_numbers(low / 11, low) if number < low]
    above = [number for number in round_numbers(high, high * 11) if number > high]
    return below[-1], above[0]


def ticks(low: float, high: float) -> list[float]:
    """Two to nine numbers to label an axis at."""
    numbers = round_numbers(low, high)
    if len(numbers) > MANY:
        powers = round_numbers(low, high, (1,))
        every = ceil(len(powers) / DECADES)
        return [power for power in powers if round(log10(power)) % every == 0]
    if len(numbers) < 2:
        return [
            float(number)
            for number in MaxNLocator(4, steps=[1, 2, 5, 10]).tick_values(low, high)
            if low <= number <= high
        ]
    return numbers


def label(tick: float) -> str:
    """0.001, 500, 10⁸, 2×10⁻⁶."""
    if PLAIN[0] <= tick < PLAIN[1]:
        return f"{tick:g}"
    digits, _, power = f"{tick:.5e}".partition("e")
    raised = f"10{str(int(power)).translate(RAISED)}"
    return raised if float(digits) == 1 else f"{float(digits):g}×{raised}"
