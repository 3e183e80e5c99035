"""Relevance pooled by the value of the region mask.

Pixels with the same set of regions are a *cell*.  Cells are disjoint, so their sums add up to the total
whatever regions overlap; a region's row is the sum of the cells that hold its bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from mien.regions.names import BACKGROUND, ELSEWHERE, FACE, TOTAL
from mien.types import ClipBatch

if TYPE_CHECKING:
    from torch import Tensor

SUMS = ("signed", "positive", "negative", "absolute", "area")
"""The measures of a cell or region: sums over its elements, and how many there are."""


_FRAME = ("method", "network", "recording", "window", "frame")


def pool_cells(relevance: Tensor, batch: ClipBatch) -> pd.DataFrame:
    """Return the sums of relevance over each cell of each frame.

    Relevance is first summed over the channels of a pixel (the coordinates of a landmark); its sign, and so
    ``positive``, ``negative`` and ``absolute``, is that of the pixel as a whole.  Sums are of float64.  A
    source frame that a window holds more than once (resampled to a higher rate) has the sum of its
    occurrences.

    Parameters
    ----------
    relevance : Tensor
        Of the shape of the batch's inputs, ``(B, C, T, H, W)`` or ``(B, T, N, 2)``.
    batch : ClipBatch

    Returns
    -------
    DataFrame
        Columns recording, window, frame, time_s, valid, cell (the bits), signed, positive, negative (0 or
        less), absolute, area (elements); one row a cell with at least one element, in the order of clip,
        frame, cell.
    """
    pixels = relevance.detach().cpu().double().sum(1 if batch.layout == "video" else -1).numpy()
    bits = batch.regions.cpu().numpy().astype(np.int64)
    clip, position, frame_of = _frames(batch.frames.cpu().numpy())
    values = int(bits.max(initial=0)) + 1
    flat = (frame_of.reshape(*frame_of.shape, *[1] * (bits.ndim - 2)) * values + bits).ravel()
    size = len(clip) * values
    area = np.bincount(flat, minlength=size)
    positive = np.bincount(flat, weights=np.maximum(pixels, 0).ravel(), minlength=size)
    negative = np.bincount(flat, weights=np.minimum(pixels, 0).ravel(), minlength=size)
    cells = np.flatnonzero(area)
    frame, cell = np.divmod(cells, values)
    clip, position = clip[frame], position[frame]
    return pd.DataFrame(
        {
            "recording": np.array([key.recording for key in batch.keys], dtype=object)[clip],
            "window": np.array([key.window for key in batch.keys], dtype=np.int64)[clip],
            "frame": batch.frames.cpu().numpy()[clip, position],
            "time_s": batch.times.cpu().numpy().astype(np.float64)[clip, position],
            "valid": batch.valid.cpu().numpy()[clip, position],
            "cell": cell,
            "signed": positive[cells] + negative[cells],
            "positive": positive[cells],
            "negative": negative[cells],
            "absolute": positive[cells] - negative[cells],
            "area": area[cells],
        }
    )


def _frames(
    numbers: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Number the distinct frames of each clip.

    Returns
    -------
    clip, position : ndarray, shape (G,)
        Where in the batch each distinct frame occurs first.
    frame_of : ndarray, shape (B, T)
        The distinct frame at each place of the batch.
    """
    clips = np.repeat(np.arange(len(numbers)), numbers.shape[1])
    pairs = np.stack([clips, numbers.ravel()], axis=1)
    _, first, inverse = np.unique(pairs, axis=0, return_index=True, return_inverse=True)
    clip, position = np.divmod(first, max(numbers.shape[1], 1))
    return clip, position, inverse.reshape(numbers.shape)


def region_rows(cells: pd.DataFrame, region_names: Sequence[str]) -> pd.DataFrame:
    """Return the sums of each region in each frame.

    Parameters
    ----------
    cells : DataFrame
        From `pool_cells`, of one or many clips; further columns that are constant in a frame (method,
        network, participant, split, ...) are kept.
    region_names : sequence of str
        Bit i of a cell is ``region_names[i]``.

    Returns
    -------
    DataFrame
        The columns of ``cells`` with ``region`` in the place of ``cell``.  For each frame one row for each
        region but the face itself, then ``elsewhere_face`` (in the face, in no region), ``background`` (in
        nothing) and ``total`` (all cells).  A region that is not in the frame has zeros.
    """
    extra = [name for name in cells.columns if name not in SUMS and name != "cell"]
    frame_of = cells.groupby([name for name in _FRAME if name in cells.columns], sort=False, dropna=False).ngroup()
    first = np.flatnonzero(~frame_of.duplicated().to_numpy())
    frame, bits = frame_of.to_numpy(), cells["cell"].to_numpy(np.int64)
    members = _members(bits, region_names)
    result = cells[extra].iloc[np.repeat(first, len(members))].reset_index(drop=True)
    result["region"] = np.tile(np.array(list(members), dtype=object), len(first))
    for name in SUMS:
        values = cells[name].to_numpy(np.float64)
        sums = [np.bincount(frame[held], values[held], len(first)) for held in members.values()]
        flat = np.stack(sums, axis=1).ravel()
        result[name] = np.rint(flat).astype(np.int64) if name == "area" else flat
    return result


def _members(bits: npt.NDArray[np.int64], region_names: Sequence[str]) -> dict[str, npt.NDArray[np.bool_]]:
    """Return which cells make up each row of a frame."""
    held = {name: (bits >> place) & 1 == 1 for place, name in enumerate(region_names) if name != FACE}
    face = 1 << list(region_names).index(FACE) if FACE in region_names else -1
    return {**held, ELSEWHERE: bits == face, BACKGROUND: bits == 0, TOTAL: np.ones_like(bits, dtype=bool)}
