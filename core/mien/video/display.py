"""How a decoded frame is shown: turned and mirrored as the file asks.

Pixels are taken as square, whatever ratio the file claims.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from av.video.reformatter import VideoReformatter

from mien.types import ByteArray


@dataclass(frozen=True)
class Display:
    """The way from a decoded frame to the displayed one.

    Attributes
    ----------
    stored_height, stored_width : int
        Of the frame before it is turned.
    transpose, flip_rows, flip_columns : bool
        Applied in this order.
    """

    stored_height: int
    stored_width: int
    transpose: bool = False
    flip_rows: bool = False
    flip_columns: bool = False
    # One for all frames: a frame's own would be made anew each time, which takes 20 times as long as the conversion.
    _to_rgb: VideoReformatter = field(default_factory=VideoReformatter, repr=False, compare=False)

    @property
    def height(self) -> int:
        """Rows of the displayed frame."""
        return self.stored_width if self.transpose else self.stored_height

    @property
    def width(self) -> int:
        """Columns of the displayed frame."""
        return self.stored_height if self.transpose else self.stored_width

    @property
    def rotation(self) -> int:
        """Degrees anti-clockwise that the frame is turned by, 0, 90, 180 or 270; a mirroring is not told."""
        if self.transpose:
            return 90 if self.flip_rows else 270
        return 180 if self.flip_rows else 0

    def draw(self, frame: Any, out: ByteArray) -> None:
        """Write the displayed frame as RGB into ``out``, shape (height, width, 3)."""
        out[...] = self.turn(self._stored(frame))

    def turn(self, image: ByteArray) -> ByteArray:
        """Return a view of a stored image ``(stored_height, stored_width, 3)`` as it is displayed."""
        if self.transpose:
            image = image.transpose(1, 0, 2)
        rows = slice(None, None, -1 if self.flip_rows else 1)
        columns = slice(None, None, -1 if self.flip_columns else 1)
        return image[rows, columns]

    def _stored(self, frame: Any) -> ByteArray:
        size = {"width": self.stored_width, "height": self.stored_height}
        rgb: Any = self._to_rgb.reformat(frame, **size, format="rgb24", threads=1)
        plane = rgb.planes[0]
        lines = np.frombuffer(plane, np.uint8).reshape(self.stored_height, plane.line_size)
        return lines[:, : 3 * self.stored_width].reshape(self.stored_height, self.stored_width, 3)


def display_of(frame: Any) -> Display:
    """Return how the frames of a video are displayed, told from its first one."""
    height, width = frame.height, frame.width
    a, b, c, d = _matrix(frame)
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Display(height, width, False, flip_rows=d < 0, flip_columns=a < 0)
    return Display(height, width, True, flip_rows=b < 0, flip_columns=c < 0)


def _matrix(frame: Any) -> tuple[int, int, int, int]:
    """Return the display matrix's 2x2 part: x' = a x + c y, y' = b x + d y, y downwards."""
    entry = frame.side_data.get("DISPLAYMATRIX")
    if entry is None:
        return 1, 0, 0, 1
    values = np.frombuffer(bytes(entry), np.int32)
    return int(values[0]), int(values[1]), int(values[3]), int(values[4])
