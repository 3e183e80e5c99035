"""From fixations on the video to points on the crop, by the transform of the frame that was shown then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

    from mien import ClipBatch, ClipKey, Tile

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

BETWEEN, NO_FACE, OUTSIDE, USED = range(4)
"""What becomes of a fixation in one window; over windows, the highest counts."""

Weigh = Literal["count", "duration"]


@dataclass(frozen=True)
class Window:
    """One explained clip.

    Attributes
    ----------
    key : ClipKey
    times : ndarray, shape (T,)
        When each frame of the clip is shown, seconds; it is shown until the next.
    end : float
        Until when the last one is shown.
    valid : ndarray of bool, shape (T,)
        Frames with a face.
    transforms : ndarray, shape (T, K, 2, 3)
        Pixels of the video to pixels of the crop.
    face : ndarray of bool, shape (H, W)
        Pixels that show the face in most of the frames with one.
    """

    key: ClipKey
    times: Array
    end: float
    valid: npt.NDArray[np.bool_]
    transforms: Array
    face: npt.NDArray[np.bool_]

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the crop."""
        return self.face.shape[0], self.face.shape[1]

    @classmethod
    def of(cls, batch: ClipBatch, place: int, shown: float) -> Window:
        """Make it of a clip of a batch with transforms; ``shown`` is how long a frame of the video is, seconds."""
        assert batch.transforms is not None  # checked before any clip is read
        times = batch.times[place].cpu().numpy().astype(np.float64)
        valid = batch.valid[place].cpu().numpy().astype(bool)
        inside = batch.regions[place].cpu().numpy()[valid] != 0
        return cls(
            key=batch.keys[place],
            times=times,
            end=float(times[-1]) + shown,
            valid=valid,
            transforms=batch.transforms[place].cpu().numpy().astype(np.float64),
            face=inside.sum(0) > len(inside) / 2,
        )


@dataclass(frozen=True)
class Points:
    """Fixations on the crop of one window; one that several tiles show is in each, with a part of its weight.

    Attributes
    ----------
    row : ndarray of int, shape (n,)
        The fixation's row in the table of its recording.
    viewer : ndarray of str, shape (n,)
    frame, tile : ndarray of int, shape (n,)
        Place in the clip and among the tiles.
    source, crop : ndarray, shape (n, 2)
        x, y in pixels of the video, and of the crop.
    weight : ndarray, shape (n,)
    """

    row: Integers
    viewer: npt.NDArray[Any]
    frame: Integers
    tile: Integers
    source: Array
    crop: Array
    weight: Array

    def __len__(self) -> int:
        return len(self.row)

    @property
    def viewers(self) -> list[str]:
        """Whose they are, in the order of their names."""
        return sorted(set(self.viewer.tolist()))

    def of(self, viewer: str) -> Points:
        """Return one viewer's."""
        return self._chosen(self.viewer == viewer)

    def without(self, viewer: str) -> Points:
        """Return all but one viewer's."""
        return self._chosen(self.viewer != viewer)

    def _chosen(self, rows: npt.NDArray[np.bool_]) -> Points:
        return Points(**{name: values[rows] for name, values in vars(self).items()})

    def counts(self, shape: tuple[int, int]) -> Array:
        """Return the weight that fell on each pixel of the crop, ``(H, W)``."""
        image = np.zeros(shape)
        column, row = np.floor(self.crop + 0.5).astype(np.int64).T
        np.add.at(image, (row, column), self.weight)
        return image


def place(
    fixations: pd.DataFrame, window: Window, tiles: Sequence[Tile], weigh: Weigh = "count"
) -> tuple[Points, Integers]:
    """Return the fixations on the crop of a window, and what became of each.

    A fixation is in the window when some of it is.  It is where it fell on the crop of the frame that was shown in
    the middle of what the window holds of it.

    Parameters
    ----------
    fixations : DataFrame
        Of the window's recording; columns time, duration, x, y, viewer without missing values.
    window : Window
    tiles : sequence of Tile
        The rectangles of the crop.
    weigh : {"count", "duration"}
        Each fixation has the weight 1, or the seconds of it that the window holds.

    Returns
    -------
    points : Points
    fates : ndarray of int, shape (len(fixations),)
        `BETWEEN`, `NO_FACE`, `OUTSIDE` or `USED`.
    """
    start, last = _column(fixations, "time"), _column(fixations, "time") + _column(fixations, "duration")
    first = float(window.times[0])
    here = (start < window.end) & ((last > first) | ((start == last) & (start >= first)))
    row = np.flatnonzero(here)
    begin, until = np.maximum(start[row], first), np.minimum(last[row], window.end)
    frame = np.clip(np.searchsorted(window.times, (begin + until) / 2, side="right") - 1, 0, len(window.times) - 1)
    source = np.column_stack([_column(fixations, "x"), _column(fixations, "y")])[row]
    matrix = window.transforms[frame]
    crop = np.einsum("nkij,nj->nki", matrix[..., :2], source) + matrix[..., 2]
    shown = _inside(crop, tiles)
    usable = window.valid[frame]
    fates = np.full(len(fixations), BETWEEN, np.int64)
    fates[row] = np.where(usable, np.where(shown.any(1), USED, OUTSIDE), NO_FACE)
    which, tile = np.nonzero(shown & usable[:, None])
    weight = np.ones(len(row)) if weigh == "count" else until - begin
    points = Points(
        row=row[which],
        viewer=fixations["viewer"].to_numpy(dtype=object)[row][which],
        frame=frame[which],
        tile=tile,
        source=source[which],
        crop=crop[which, tile],
        weight=(weight / np.maximum(shown.sum(1), 1))[which],
    )
    return points, fates


def _column(table: pd.DataFrame, name: str) -> Array:
    return table[name].to_numpy(np.float64)


def _inside(crop: Array, tiles: Sequence[Tile]) -> npt.NDArray[np.bool_]:
    """Return whether points ``(n, K, 2)`` lie on the pixels of their tiles, ``(n, K)``."""
    low = np.array([[tile.x0, tile.y0] for tile in tiles]) - 0.5
    high = np.array([[tile.x1, tile.y1] for tile in tiles]) - 0.5
    return np.asarray(((crop >= low) & (crop < high)).all(-1))  # NaN is not inside
