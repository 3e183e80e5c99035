"""Places in the crop: the strongest outside the face, how it is called, and whether it stays with the image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mien.types import FloatArray
from mien_plugins.analyzers.artifact_audit_maps import CELLS, INSIDE, OUTSIDE, Sums

if TYPE_CHECKING:
    from mien.types import BoolArray

_BLOCK = 2  # cells on each side of a block: an eighth of the crop
_LEAST_FILLED = 0.25  # of a block has to lie on the side of the outline that it is taken for
_HOTTEST = 0.05  # of the positions outside the face
_LEAST_VISITED = 0.1  # of the most visited position's pixels: what was hardly ever seen is no position
_STAYS = 1.1  # times as concentrated in the image as in the crop, or the other way round
_STRIP = 2.5  # times as wide as high


@dataclass(frozen=True)
class Place:
    """The strongest block outside the face.

    Attributes
    ----------
    x, y : float
        Its centre, as fractions of the crop's width and height, from the top left.
    density : float
        Its relevance a pixel over the crop's mean.
    inside : float
        The same of the strongest block inside the face.
    name : str
        Where it is, in words.
    """

    x: float
    y: float
    density: float
    inside: float
    name: str

    @property
    def ratio(self) -> float:
        """Its density over that inside; infinite where only the face holds none, NaN where neither does."""
        if self.inside == 0:
            return float("inf") if self.density > 0 else float("nan")
        return self.density / self.inside


def strongest_place(sums: Sums) -> Place | None:
    """Return the strongest place outside the face; None without relevance, or where nothing outside is seen."""
    import numpy as np

    outside, inside = block_densities(sums, OUTSIDE), block_densities(sums, INSIDE)
    if not np.isfinite(outside).any() or sums.total <= 0:
        return None
    row, column = np.unravel_index(int(np.nanargmax(outside)), outside.shape)
    y, x = (float(place + _BLOCK / 2) / CELLS for place in (row, column))
    within = float(np.nanmax(inside)) if np.isfinite(inside).any() else float("nan")
    return Place(x, y, float(outside[row, column]), within, place_name(x, y, sums, _hot(outside)))


def block_densities(sums: Sums, side: int) -> FloatArray:
    """Return the relevance a pixel, over the crop's mean, of each block of 2 x 2 cells.

    Parameters
    ----------
    side : int
        ``INSIDE`` or ``OUTSIDE``: whose pixels are counted.

    Returns
    -------
    ndarray, shape (CELLS - 1, CELLS - 1)
        NaN where less than a quarter of a block lies on that side.
    """
    import numpy as np

    relevance, area, every = (_blocks(one) for one in (sums.relevance[side], sums.area[side], sums.area.sum(0)))
    mean = sums.total / max(float(sums.area.sum()), 1.0)
    enough = (area >= _LEAST_FILLED * every) & (area > 0) & (mean > 0)
    return np.divide(relevance, area * mean, out=np.full(area.shape, np.nan), where=enough)


def _blocks(cells: FloatArray) -> FloatArray:
    found: FloatArray = cells[:-1, :-1] + cells[1:, :-1] + cells[:-1, 1:] + cells[1:, 1:]
    return found


def _hot(densities: FloatArray) -> BoolArray:
    """Return the blocks with at least half of the strongest one's relevance."""
    import numpy as np

    return np.nan_to_num(densities) >= np.nanmax(densities) / 2


def place_name(x: float, y: float, sums: Sums, hot: BoolArray) -> str:
    """Return where a place is, and what else would lie there; left and right are those of the picture."""
    import numpy as np

    rows, columns = np.nonzero(hot)
    wide, high = np.ptp(columns) + 1, np.ptp(rows) + 1
    middle, half = _face(sums)
    if wide >= _STRIP * high and wide >= CELLS / 3 and y > 2 / 3:
        return "a strip along the bottom"
    beside, below = (x - middle[0]) / half[0], (y - middle[1]) / half[1]
    side = "left" if x < middle[0] else "right"
    if abs(beside) < 0.5:
        return "above the face" if below < 0 else "below the face"
    if below < -0.6:
        return f"the upper {side} corner"
    if below > 0.8:
        return f"the lower {side} corner"
    return f"beside the {'mouth' if below > 0.2 else 'ear'} on the {side}"


HINTS = {
    "a strip along the bottom": "a caption would be there",
    "above the face": "hair, a cap or a headband would be there",
    "below the face": "a collar, a hand or a microphone would be there",
    "corner": "a badge, a logo or the backdrop would be there",
    "ear": "a headset would be there",
    "mouth": "a headset's microphone would be there",
}
"""What may lie at a place, by a part of its name.  Nothing here has looked at the picture."""


def hint(name: str) -> str:
    """Return what may lie at a place of this name."""
    return next(text for part, text in HINTS.items() if part in name)


def _face(sums: Sums) -> tuple[FloatArray, FloatArray]:
    """Return the middle of the face, and half its width and height, as fractions of the crop: x, y."""
    import numpy as np

    every = sums.area.sum(0)
    filled = np.divide(sums.area[INSIDE], every, out=np.zeros_like(every), where=every > 0) > 0.5
    rows, columns = np.nonzero(filled) if filled.any() else (np.array([0, CELLS - 1]), np.array([0, CELLS - 1]))
    low = np.array([columns.min(), rows.min()]) / CELLS
    high = (np.array([columns.max(), rows.max()]) + 1) / CELLS
    return (low + high) / 2, (high - low) / 2


def hottest_share(relevance: FloatArray, area: FloatArray) -> float:
    """Return the share of relevance on the hottest twentieth of the positions; NaN without relevance.

    1/20 is what an even spread gives.  Positions count by their pixels, and the last one in part.
    """
    import numpy as np

    seen = area > _LEAST_VISITED * area.max(initial=0.0)
    values, sizes = relevance[seen], area[seen]
    if values.sum() <= 0:
        return float("nan")
    order = np.argsort(-values / sizes, kind="stable")
    covered = np.concatenate([[0.0], np.cumsum(sizes[order])]) / sizes.sum()
    held = np.concatenate([[0.0], np.cumsum(values[order])]) / values.sum()
    return float(np.interp(_HOTTEST, covered, held))


def constancy(sums: Sums) -> tuple[float, float]:
    """Return how concentrated relevance outside the face is in the image, and in the crop; see `hottest_share`."""
    return hottest_share(sums.image, sums.image_area), hottest_share(sums.relevance[OUTSIDE], sums.area[OUTSIDE])


def stays_with(image: float, crop: float) -> str:
    """Return what the relevance outside the face stays with: ``image``, ``face`` or ``undecided``."""
    if image > _STAYS * crop:
        return "image"
    return "face" if crop > _STAYS * image else "undecided"


def pooled(people: Sequence[Sums]) -> Sums:
    """Return the sums of people who each count alike."""
    first, *others = [one.scaled() for one in people]
    for one in others:
        first = first + one
    return first
