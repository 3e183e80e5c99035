"""What all Plotly drawings share: axes, layout, headings, intervals."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from mien.report import palette

Figure = dict[str, Any]

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"


def text_of(value: str) -> str:
    """Return a text that Plotly, which reads a little HTML, shows as it is."""
    return escape(value, quote=False)


def axis_of(title: str = "", **more: Any) -> Figure:
    """Return an axis in the house style."""
    axis = {
        "gridcolor": palette.GRID,
        "zerolinecolor": palette.GRID,
        "linecolor": palette.MUTED,
        "automargin": True,
        "ticks": "outside",
        "tickcolor": palette.GRID,
        "title": {"text": text_of(title), "font": {"size": 13}},
    }
    return {**axis, **more}


def layout_of(height: int, **more: Any) -> Figure:
    """Return a layout in the house style, ``height`` pixels high."""
    layout = {
        "height": height,
        "autosize": True,
        "font": {"family": _FONT, "size": 13, "color": palette.INK},
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "margin": {"l": 60, "r": 24, "t": 40, "b": 56},
        "hoverlabel": {"bgcolor": "white", "font": {"color": palette.INK}},
        "legend": {"orientation": "h", "x": 0, "xanchor": "left", "y": 1.0, "yanchor": "bottom"},
        "showlegend": False,
    }
    return {**layout, **more}


def heading(text: str, x: float, y: float) -> Figure:
    """Return the heading of a panel, at fractions of the plot area."""
    return {
        "text": f"<b>{text_of(text)}</b>",
        "x": x,
        "y": y,
        "xref": "paper",
        "yref": "paper",
        "xanchor": "left",
        "yanchor": "bottom",
        "yshift": 4,
        "showarrow": False,
        "font": {"size": 13},
    }


def spread(values: Sequence[float], low: Sequence[float], high: Sequence[float]) -> Figure:
    """Return error bars from the ends of intervals."""
    return {
        "type": "data",
        "symmetric": False,
        "array": [top - value for value, top in zip(values, high, strict=True)],
        "arrayminus": [value - bottom for value, bottom in zip(values, low, strict=True)],
        "thickness": 1.6,
        "width": 4,
        "color": palette.INK,
    }


def suffix(index: int) -> str:
    """Return what Plotly appends to the name of the axis of the panel ``index``."""
    return "" if index == 0 else str(index + 1)


def chance_line(axis: str, value: float, domain: str, orientation: str) -> Figure:
    """Return a line across a panel at the value that chance gives."""
    line = {"color": palette.CHANCE, "width": 1.5, "dash": "dash"}
    if orientation == "vertical":
        return {
            "type": "line",
            "x0": value,
            "x1": value,
            "xref": axis,
            "y0": 0,
            "y1": 1,
            "yref": domain,
            "line": line,
        }
    return {
        "type": "line",
        "y0": value,
        "y1": value,
        "yref": axis,
        "x0": 0,
        "x1": 1,
        "xref": domain,
        "line": line,
    }


def legend_line(name: str) -> Figure:
    """Return an empty trace that puts the chance line into the legend."""
    line = {"color": palette.CHANCE, "width": 1.5, "dash": "dash"}
    return {"type": "scatter", "mode": "lines", "x": [None], "y": [None], "name": text_of(name), "line": line}
