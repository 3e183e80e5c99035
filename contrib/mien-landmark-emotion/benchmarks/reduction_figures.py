"""Draws what ``reduction.py`` found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien import landmark_scheme
from mien_landmark_emotion.emotions import EMOTIONS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"relevance": "#0072B2", "random": "#D55E00"}
TITLES = {
    "six_way_accuracy": "Six-way accuracy",
    "balanced_accuracy": "Balanced accuracy, one against the rest",
    "auc": "Area under the ROC curve, one against the rest",
}


def draw_curve(found: dict[str, Any], path: Path) -> None:
    """Draw accuracy and speed-up against landmarks kept."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(9, 6.4), layout="constrained")
    axes = drawn.subplots(2, 2)
    for axis, (name, title) in zip(axes.flat, TITLES.items(), strict=False):
        for arm, colour in COLOURS.items():
            rows = [row for row in found["curve"] if row["kept_by"] in ("all", arm)]
            values = [row[name] for row in rows]
            below = [one["value"] - one["low"] for one in values]
            above = [one["high"] - one["value"] for one in values]
            kept = [row["landmarks"] * (1.02 if arm == "random" else 0.98) for row in rows]
            label = "the most relevant kept" if arm == "relevance" else "kept at random"
            middle = [one["value"] for one in values]
            axis.errorbar(kept, middle, [below, above], color=colour, marker="o", ms=4, capsize=2, label=label)
        _counts(axis, found["settings"]["counts"])
        axis.set(title=title, xlabel="landmarks kept")
    axes[0, 0].legend(frameon=False)
    _speed(axes[1, 1], found)
    seeds = len(found["settings"]["seeds"])
    title = f"Animated expressions, held-out participants: mean of {seeds} seed(s), 95 % intervals"
    drawn.suptitle(title, fontsize=10)
    drawn.savefig(path, dpi=150)


def _speed(axis: Axes, found: dict[str, Any]) -> None:
    names = list(dict.fromkeys(row["what"] for row in found["timing"]))
    for name, style in zip(names, ("o-", "s--", "^:"), strict=True):
        for batch, colour in ((1, "#009E73"), (32, "#6B4C9A")):
            own = [row for row in found["timing"] if (row["what"], row["batch"]) == (name, batch)]
            middle = [row["speed_up"]["median"] for row in own]
            label = f"{name}; batch {batch}"
            axis.plot([row["landmarks"] for row in own], middle, style, ms=4, color=colour, label=label)
    _counts(axis, found["settings"]["counts"])
    axis.set(title="Speed-up of an inference over all landmarks", xlabel="landmarks kept", ylabel="times as fast")
    top = max(row["speed_up"]["median"] for row in found["timing"])
    axis.set_ylim(0, 1.6 * top)  # room for the legend
    axis.legend(frameon=False, fontsize=7, loc="upper right")


def _counts(axis: Axes, counts: Sequence[int]) -> None:
    axis.set_xscale("log", base=2)
    axis.set_xticks(list(counts), [str(count) for count in counts])
    axis.minorticks_off()
    axis.grid(alpha=0.3)


def draw_faces(parts: Path, seeds: Sequence[int], fewest: int, path: Path) -> None:
    """Draw relevance of each emotion on the mean face, above what its Action Units move."""
    from matplotlib.figure import Figure

    found = [dict(np.load(parts / f"seed{seed}_truth.npz", allow_pickle=False)) for seed in seeds]
    with np.load(parts / f"seed{seeds[0]}_relevance_{fewest}.npz", allow_pickle=False) as part:
        keeps = part["keeps"]
    drawn = Figure(figsize=(12, 5.2), layout="constrained")
    axes = drawn.subplots(2, len(EMOTIONS))
    for place, emotion in enumerate(EMOTIONS):
        shares, moved = [], []
        for one in found:
            rows = one["labels"] == place
            relevance = one["trained"][rows]
            shares.append((relevance / relevance.sum(1, keepdims=True)).mean(0))
            moved.append(one["moved"][rows].mean(0))
        _face(axes[0, place], 100 * np.mean(shares, 0), emotion, keeps[place])
        _face(axes[1, place], np.mean(moved, 0), "", ())
    for axis, text in ((axes[0, 0], "relevance"), (axes[1, 0], "displacement at the apex")):
        axis.text(-0.08, 0.5, text, transform=axis.transAxes, rotation=90, va="center", ha="right")
    drawn.suptitle(
        f"Relevance by landmark (held-out participants, {len(seeds)} seed(s); rings: the {fewest} kept with seed "
        f"{seeds[0]}), and what the emotion's Action Units move; colours by panel",
        fontsize=10,
    )
    drawn.savefig(path, dpi=150)


def _face(axis: Axes, values: Any, title: str, kept: Sequence[int]) -> None:
    from matplotlib.collections import LineCollection

    scheme = landmark_scheme("mediapipe_478")
    points = np.asarray(scheme.mean_face, float)
    lines = [points[list(edge)] for edge in scheme.edges]
    axis.add_collection(LineCollection(lines, colors="#c3cad1", linewidths=0.5, zorder=0))
    order = np.argsort(values)
    x, y = points[: len(values)].T
    axis.scatter(x[order], y[order], c=np.asarray(values)[order], cmap="Blues", s=9, vmin=0, zorder=1)
    if len(kept):
        axis.scatter(x[list(kept)], y[list(kept)], s=22, facecolors="none", edgecolors="#b3261e", lw=0.6, zorder=2)
    axis.set(xlim=(-1.3, 1.3), ylim=(2.0, -1.0), aspect="equal", title=title)
    axis.set_axis_off()
