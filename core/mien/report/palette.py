"""Colours that colour-blind readers tell apart, on screen and in print."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B4C9A", "#4D4D4D")
"""Okabe & Ito's, in the order in which they are used."""

INK = "#1d2733"
MUTED = "#5b6875"
GRID = "#e3e8ed"
REFERENCE = "#8a949e"
CHANCE = "#b3261e"

DIVERGING = ("#2166ac", "#67a9cf", "#d1e5f0", "#f7f7f7", "#fddbc7", "#ef8a62", "#b2182b")
"""Blue for negative, white for 0, red for positive (ColorBrewer RdBu)."""

SEQUENTIAL = ("#f7fbff", "#d2e3f3", "#9ac8e0", "#529dcc", "#1c6cb1", "#08306b")
"""White for 0, dark blue for the largest (ColorBrewer Blues)."""

ORDERED = ("#fde6a8", "#f4a95b", "#d0606b", "#71489b")
"""From light to dark, so that their order is seen without colour too (after matplotlib's inferno)."""

_ROBUST = 0.99
MARKS = (("circle", "o"), ("square", "s"), ("triangle-up", "^"), ("diamond", "D"), ("x", "X"), ("star", "*"))
"""Marks of points, as Plotly and as matplotlib call them; one that is told by its colour alone has the first."""


def series_colour(index: int) -> str:
    """Return the colour of a series; after the last one they begin again."""
    return SERIES[index % len(SERIES)]


def ordered_colours(count: int) -> list[str]:
    """Return colours of series that have an order, from light to dark."""
    return [interpolate(ORDERED, i / max(1, count - 1)) for i in range(count)]


def point_colours(count: int, *, ordered: bool) -> list[tuple[str, tuple[str, str]]]:
    """Return the colour and the mark (an entry of `MARKS`) of each group of points."""
    if ordered:
        return [(colour, MARKS[0]) for colour in ordered_colours(count)]
    return [(series_colour(i), MARKS[i // len(SERIES) % len(MARKS)]) for i in range(count)]


def robust_limit(values: Iterable[Sequence[float]], quantile: float = _ROBUST) -> float:
    """Return the quantile of the absolute finite values, so that one outlier does not wash out the rest.

    Returns
    -------
    float
        Above 0; 1.0 when there is nothing but zeros or gaps.
    """
    found = sorted(abs(value) for row in values for value in row if math.isfinite(value))
    if not found or found[-1] == 0:
        return 1.0
    at = found[min(len(found) - 1, math.ceil(quantile * len(found)) - 1)]
    return at if at > 0 else found[-1]


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def interpolate(colours: Sequence[str], position: float) -> str:
    """Return the colour at ``position`` (0 to 1, clipped) of a scale of evenly spaced colours."""
    place = min(max(position, 0.0), 1.0) * (len(colours) - 1)
    left = min(int(place), len(colours) - 2)
    part = place - left
    pairs = zip(_rgb(colours[left]), _rgb(colours[left + 1]), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * part):02x}" for a, b in pairs)


def value_colour(value: float, *, signed: bool) -> str:
    """Return the colour of a value of -1 to 1 (0 to 1 without sign, clipped); white where it is not known."""
    if not math.isfinite(value):
        return "#ffffff"
    return interpolate(DIVERGING, (value + 1) / 2) if signed else interpolate(SEQUENTIAL, value)


def scale(colours: Sequence[str]) -> list[list[float | str]]:
    """Return a colour scale as Plotly takes it."""
    return [[i / (len(colours) - 1), colour] for i, colour in enumerate(colours)]


def is_dark(colour: str) -> bool:
    """Tell whether white text reads better than black on the colour (WCAG relative luminance)."""
    linear = [(c / 255 / 12.92) if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in _rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] < 0.179
