"""Eyes, eyebrows, nose and mouth, each cut out by its box and up-sampled into its own tile."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from mien.interfaces import Cropper
from mien.types import BitArray, ByteArray, Crops, FaceTrack, FloatArray, LandmarkScheme, Tile
from mien_plugins.croppers.boxes import box_transform, region_box

Region = Literal["right_eyebrow", "left_eyebrow", "right_eye", "left_eye", "nose", "mouth"]

_LEAST_TILE = 4  # pixels; a network sees nothing in less


class RegionMosaic(Cropper):
    """The face's regions cut out, up-sampled and tiled into one clip (Moreno et al. 2023).

    Each region is the bounding box of its landmarks, parallel to the image, padded by a fraction of each side; it is
    stretched to its tile by Lanczos resampling.  Every pixel of a tile
    belongs to the tile's region, whatever else the box shows, and to no other: how regions are grown for pooling
    (``pooling``) changes nothing here.

    What the paper leaves open, we choose so:

    - It crops "eyes, eyebrows, mouth, nose" and defines left and right apart: each eye and each eyebrow has its own
      tile.  Tiles fill rows from the top left in the order of ``show``, ``columns`` a row; the last row's share its
      width, so that no pixel is without a region.
    - Boxes are clipped to the image, as the paper clips the face's box: no pixel is made up, and what is left is
      stretched.  Where less than one pixel of a region is left, the frame is invalid.
    - A box's side is at least ``least_side`` inter-ocular distances, and one pixel: closed eyes and flat eyebrows
      would blow a line up to a tile.
    - Boxes are those of each frame: they are not smoothed over time, so that a frame's crop depends on nothing else,
      and the jitter of the landmarks shows in the tiles.

    Frames without a face are invalid: black, with transforms of NaN.
    """

    citation: ClassVar[str] = "Moreno, Alghowinem, Park, Breazeal: Expresso-AI, ACII 2023"

    show: tuple[Region, ...] = Field(
        ("right_eyebrow", "left_eyebrow", "right_eye", "left_eye", "nose", "mouth"),
        min_length=1,
        description="The regions, in the order of their tiles; right and left are the person's own.",
    )
    columns: int = Field(2, ge=1, description="Tiles in a row.")
    eye_padding: float = Field(0.25, ge=0, le=2, description="Fraction of an eye's side added on each side.")
    eyebrow_padding: float = Field(0.0, ge=0, le=2, description="The same for an eyebrow.")
    nose_padding: float = Field(0.0, ge=0, le=2, description="The same for the nose.")
    mouth_padding: float = Field(0.25, ge=0, le=2, description="The same for the mouth.")
    least_side: float = Field(
        0.1, ge=0, le=1, description="Smallest side of a padded box, in inter-ocular distances of the frame's face."
    )

    @model_validator(mode="after")
    def _check_tiles(self) -> Self:
        if len(set(self.show)) < len(self.show):
            raise ValueError("'show' names a region twice")
        least = min(min(tile.x1 - tile.x0, tile.y1 - tile.y0) for tile in self.tiles)
        if least < _LEAST_TILE:
            raise ValueError(
                f"a tile would have a side of {least} pixels; at least {_LEAST_TILE} are needed: "
                "raise 'height' or 'width', or change 'columns'"
            )
        return self

    @property
    def tiles(self) -> tuple[Tile, ...]:
        """One tile a region, in the order of ``show``; they cover the crop."""
        rows = [self.show[start : start + self.columns] for start in range(0, len(self.show), self.columns)]
        tiles = []
        for names, (top, bottom) in zip(rows, pairwise(_edges(self.height, len(rows))), strict=True):
            across = pairwise(_edges(self.width, len(names)))
            tiles += [Tile(left, top, right, bottom, name) for name, (left, right) in zip(names, across, strict=True)]
        return tuple(tiles)

    def padding(self, region: Region) -> float:
        """Return the fraction of a region's side that is added on each side."""
        kind = region.removeprefix("right_").removeprefix("left_")
        return float(getattr(self, f"{kind}_padding"))

    def boxes(self, track: FaceTrack, scheme: LandmarkScheme) -> FloatArray:
        """Return the box of each region, ``(T, K, 4)`` in source pixels; NaN in frames without all of them."""
        import numpy as np

        least = np.maximum(self.least_side * scheme.inter_ocular(np.asarray(track.landmarks, np.float64)), 1.0)
        found = np.stack(
            [
                region_box(
                    track.landmarks[:, list(scheme.regions[name])],
                    self.padding(name),
                    least,
                    track.width,
                    track.height,
                )
                for name in self.show
            ],
            axis=1,
        )
        usable = track.valid & np.isfinite(found).all(axis=(1, 2))
        return np.where(usable[:, None, None], found, np.nan)

    def crop(self, frames: ByteArray, track: FaceTrack, scheme: LandmarkScheme) -> Crops:
        """Return the mosaics, with one transform a frame and tile."""
        import numpy as np

        from mien.clips.resample import lanczos

        boxes = self.boxes(track, scheme)
        transforms = np.zeros((*boxes.shape[:2], 2, 3))
        data = np.zeros((len(track), self.height, self.width, 3), np.uint8)
        valid = np.isfinite(boxes).all(axis=(1, 2))
        for place, tile in enumerate(self.tiles):
            size = tile.y1 - tile.y0, tile.x1 - tile.x0
            transforms[:, place] = box_transform(boxes[:, place], *size)
            transforms[:, place, :, 2] += (tile.x0, tile.y0)
            for frame in np.flatnonzero(valid):
                data[frame, tile.y0 : tile.y1, tile.x0 : tile.x1] = lanczos(frames[frame], boxes[frame, place], *size)
        transforms[~valid] = np.nan
        return Crops(data=data, transforms=transforms, valid=valid)

    def regions(
        self,
        landmarks: FloatArray,
        transforms: FloatArray,
        scheme: LandmarkScheme,
        shape: str = "hull",
        padding: float = 0.25,
    ) -> BitArray:
        """Return the region bits of each pixel, ``(T, H, W)``: those of its tile's region and of the face.

        ``shape`` and ``padding`` change nothing.
        """
        import numpy as np

        from mien.regions.bits import bit
        from mien.regions.names import FACE

        seen = np.isfinite(landmarks).all(axis=(1, 2)) & np.isfinite(transforms).all(axis=(1, 2, 3))
        mosaic = np.zeros((self.height, self.width), np.uint16)
        for tile, name in zip(self.tiles, self.show, strict=True):
            mosaic[tile.y0 : tile.y1, tile.x0 : tile.x1] = bit(name) | bit(FACE)
        return np.where(seen[:, None, None], mosaic, np.uint16(0))


def _edges(length: int, parts: int) -> list[int]:
    """Return where ``parts`` nearly equal parts of a length begin, and its end."""
    return [round(part * length / parts) for part in range(parts + 1)]
