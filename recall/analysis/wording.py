"""Numbers as people read them: with their sign, as percentages with an interval, in thousands."""

import numpy as np

from recall.analysis.stats import Interval

FAR = 10.0
"""The largest share that is told apart: of an end far beyond it, nothing but that it is far is known. Ours."""


def signed(value: float, digits: int = 0) -> str:
    """+1,234, −12, and 0 without a sign where nothing else is left after rounding."""
    text = f"{value:+,.{digits}f}"
    return text.replace("-", "−") if text.strip("+-0.,") else text[1:]


def percentage(share: float, digits: int = 0) -> str:
    """A share in percent, without the sign for it: +26, open where it is infinite, above +1,000 beyond `FAR`."""
    if not np.isfinite(share):
        return "open"
    if abs(share) > FAR:
        return f"{'above' if share > 0 else 'below'} {signed(100 * np.copysign(FAR, share))}"
    return signed(100 * share, digits)


def share_in_words(share: Interval, digits: int = 0, unit: str = "%") -> str:
    """`+3 % (−20 to +26)`; an end that is nowhere is left open, what is unknown is a dash."""
    if not np.isfinite(share.estimate):
        return "–"
    ends = [percentage(end, digits) for end in (share.low, share.high)]
    interval = "no interval" if ends == ["open", "open"] else " to ".join(ends)
    return f"{percentage(share.estimate, digits)} {unit} ({interval})"


def digits_of(share: Interval) -> int:
    """Digits behind the point that an interval deserves: one where it is narrow, or where a number would round to 0."""
    close = any(0 < abs(number) < 0.005 for number in share)
    return int(close or share.high - share.low < 0.02)


def ratio_in_words(ratio: float) -> str:
    """A ratio in percent: 0.012 %, 3.7 %, 150 %; above 1,000 % beyond `FAR`, and a dash where it is unknown."""
    if np.isnan(ratio):
        return "–"
    if ratio > FAR:
        return f"above {100 * FAR:,.0f} %"
    return f"{100 * ratio:.2g} %" if ratio < 0.1 else f"{100 * ratio:.0f} %"


def in_thousands(steps: float) -> str:
    """300000 as 300k, 999424 as 999k, 1000000 as 1M: three digits at most."""
    rounded = float(f"{steps:.3g}")
    return f"{rounded / 1e6:g}M" if rounded >= 1e6 else f"{rounded / 1000:g}k"
