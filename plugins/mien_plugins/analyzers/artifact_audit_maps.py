"""Where absolute relevance lies, in the crop and in the source image, summed over the clips of a participant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mien.types import ClipKey, FloatArray, IntArray

if TYPE_CHECKING:
    import pandas as pd

    from mien.interfaces import RunView
    from mien.types import BoolArray, ClipBatch

CELLS = 16
"""Cells on each side of the crop; those of the image are as large."""

INSIDE, OUTSIDE = 0, 1


@dataclass(frozen=True)
class ImageGrid:
    """Cells of the source image, ``step`` pixels wide; images of another size are scaled to ``width`` x ``height``."""

    width: int
    height: int
    step: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.height / self.step) + 1, int(self.width / self.step) + 1


@dataclass(frozen=True)
class Sums:
    """Sums over the frames with a face of some clips; arrays are of float64.

    Attributes
    ----------
    relevance, area : ndarray, shape (2, CELLS, CELLS)
        Absolute relevance, and pixels, in each cell of the crop: inside the face, and outside.
    image, image_area : ndarray, shape (rows, columns)
        The same outside the face, in each cell of the source image.
    clips : int
    """

    relevance: FloatArray
    area: FloatArray
    image: FloatArray
    image_area: FloatArray
    clips: int = 1

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.relevance + other.relevance,
            self.area + other.area,
            self.image + other.image,
            self.image_area + other.image_area,
            self.clips + other.clips,
        )

    @property
    def total(self) -> float:
        """All absolute relevance."""
        return float(self.relevance.sum())

    def scaled(self) -> Sums:
        """Return the sums with a total relevance of 1, so that people count alike; unchanged without relevance."""
        total = self.total or 1.0
        return Sums(self.relevance / total, self.area, self.image / total, self.image_area, self.clips)


@dataclass(frozen=True)
class ClipMap:
    """The absolute relevance of one clip: its method, its key, and its sums."""

    method: str
    key: ClipKey
    sums: Sums


def explained_keys(rows: pd.DataFrame) -> dict[str, list[ClipKey]]:
    """Return the clips of some rows of relevance, by method."""
    found: dict[str, list[ClipKey]] = {}
    columns = ["method", "recording", "participant", "window"]
    for method, recording, participant, window in rows[columns].drop_duplicates().itertuples(index=False):
        found.setdefault(str(method), []).append(ClipKey(str(recording), str(participant), int(window)))
    return found


def clip_maps(run: RunView, wanted: Mapping[str, Sequence[ClipKey]]) -> Iterator[ClipMap]:
    """Yield the sums of each clip and method; clips are read once for all methods.

    Parameters
    ----------
    wanted : mapping of str to sequence of ClipKey
        By method; of video, with one tile a crop.
    """
    import numpy as np

    sizes = run.recordings.set_index("recording")[["width_px", "height_px"]]
    keys = list(dict.fromkeys(key for own in wanted.values() for key in own))
    asked = {method: set(own) for method, own in wanted.items()}
    grid: ImageGrid | None = None
    for batch in run.clips(keys):
        for place, key in enumerate(batch.keys):
            size: Any = sizes.loc[key.recording]
            transforms = _transforms(batch, place)
            grid = grid or _grid(int(size["width_px"]), int(size["height_px"]), transforms, batch)
            cells = _Cells.of(batch, place, transforms, grid, (float(size["width_px"]), float(size["height_px"])))
            for method in (name for name, own in asked.items() if key in own):
                yield ClipMap(method, key, cells.sums(np.abs(run.maps(method, key))))


def _transforms(batch: ClipBatch, place: int) -> FloatArray:
    """Return the way of each frame from source pixels into the crop, ``(T, 2, 3)``."""
    import numpy as np

    if batch.transforms is None:
        return np.tile(np.eye(2, 3), (batch.frames.shape[1], 1, 1))
    return batch.transforms[place, :, 0].cpu().numpy().astype(np.float64)


def _grid(width: int, height: int, transforms: FloatArray, batch: ClipBatch) -> ImageGrid:
    import numpy as np

    scale = float(
        np.sqrt(np.abs(np.linalg.det(transforms[:, :, :2]))).mean()
    )  # pixels of the crop for one of the source
    return ImageGrid(width, height, max(batch.inputs.shape[-1] / CELLS / scale, 1.0))


@dataclass(frozen=True)
class _Cells:
    """In which cell of the crop, and of the image, each pixel of the frames with a face lies; both flat."""

    valid: BoolArray
    crop: IntArray
    image: IntArray
    shape: tuple[int, int]

    @classmethod
    def of(
        cls, batch: ClipBatch, place: int, transforms: FloatArray, grid: ImageGrid, size: tuple[float, float]
    ) -> _Cells:
        import numpy as np

        valid = batch.valid[place].cpu().numpy()
        outside = batch.regions[place].cpu().numpy()[valid] == 0
        height, width = outside.shape[1:]
        down, across = np.mgrid[:height, :width]
        cell = (down * CELLS // height) * CELLS + across * CELLS // width
        crop = cell + outside * CELLS**2
        back = np.linalg.inv(transforms[valid][:, :, :2])
        points = np.stack([across, down], -1).reshape(1, -1, 2) - transforms[valid][:, None, :, 2]
        source = np.einsum("tij,tnj->tni", back, points) * np.divide((grid.width, grid.height), size)
        column, row = np.moveaxis(np.floor((source + 0.5) / grid.step).astype(np.int64), -1, 0)
        rows, columns = grid.shape
        seen = outside.reshape(row.shape) & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
        # What is inside the face, or beyond the image, goes to a cell of its own at the end.
        image = np.where(seen, row * columns + column, rows * columns)
        return cls(valid, crop.ravel(), image.ravel(), grid.shape)

    def sums(self, sizes: FloatArray) -> Sums:
        """Return the sums of absolute relevance ``(T, H, W)``."""
        import numpy as np

        weights = np.asarray(sizes, np.float64)[self.valid].ravel()
        cells, places = 2 * CELLS**2, int(np.prod(self.shape)) + 1
        crop = (2, CELLS, CELLS)
        return Sums(
            np.bincount(self.crop, weights, cells).astype(np.float64).reshape(crop),
            np.bincount(self.crop, minlength=cells).astype(np.float64).reshape(crop),
            np.bincount(self.image, weights, places)[:-1].astype(np.float64).reshape(self.shape),
            np.bincount(self.image, minlength=places)[:-1].astype(np.float64).reshape(self.shape),
        )
