"""What all drawings for print share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.colorbar import Colorbar
    from matplotlib.figure import Figure

WIDTH = 7.0
"""Inches: two columns of a journal."""


def new_figure(height: float, title: str) -> Figure:
    """Return an empty figure, ``height`` inches high, without touching pyplot's state."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(WIDTH, height), layout="constrained")
    drawn.suptitle(title, x=0.01, ha="left", fontsize=9.5, fontweight="bold")
    return drawn


def spread(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> list[list[float]]:
    """Return the lengths of error bars below and above values."""
    # An interval may lie beside its value by a rounding error; matplotlib refuses negative lengths.
    below = [max(0.0, v - b) for v, b in zip(values, low, strict=True)]
    above = [max(0.0, t - v) for v, t in zip(values, high, strict=True)]
    return [below, above]


def as_vectors(bar: Colorbar) -> None:
    """Have a colour bar drawn without an image inside."""
    if bar.solids is not None:
        bar.solids.set_rasterized(False)  # matplotlib rasterises them by default
    bar.outline.set_linewidth(0.4)
