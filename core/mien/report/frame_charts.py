"""What a figure of frames shows: those of high relevance, as pictures or on a drawn mean face.

Data, as in `mien.report.charts`, without saying how it is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mien.report.charts import Chart


@dataclass(frozen=True, kw_only=True)
class DrawnFace:
    """A drawn mean face: points, lines between them, and the polygon of each region; y downwards."""

    points: Sequence[tuple[float, float]]
    edges: Sequence[tuple[int, int]]
    patches: Mapping[str, Sequence[tuple[float, float]]]


@dataclass(frozen=True, kw_only=True)
class FramePicture:
    """One frame of a recording under its relevance.

    Attributes
    ----------
    recording : str
    frame : int
        Number in the source video.
    text : str
        Below the picture: time, value.
    values : mapping of str to float
        Relevance of each region: what a drawn face shows in place of a picture.
    image : bytes
        JPEG, filled in where this person's face may be shown; empty draws the face.
    """

    recording: str
    frame: int
    text: str
    values: Mapping[str, float]
    image: bytes = b""


@dataclass(frozen=True, kw_only=True)
class FrameBlock:
    """Frames of one participant; ``text`` says whose.  Without frames, it says why there are none."""

    text: str
    frames: Sequence[FramePicture] = ()


@dataclass(frozen=True, kw_only=True)
class FrameGrid(Chart):
    """Frames of high relevance: a row a severity band, a column of blocks a decision type.

    An analyzer gives it without images; the run fills in those that may be shown, and what is left is drawn on the
    mean face.  A chart without images holds nobody's face.

    Attributes
    ----------
    method : str
        The attribution method.
    signed : bool
        Whether its relevance has a sign.
    columns : sequence of str
        Names of the blocks' columns.
    rows : sequence of (str, sequence of FrameBlock)
        Name of the row and one block a column.
    wide : int
        Frames that stand side by side in a block.
    """

    method: str
    signed: bool
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[FrameBlock]]]
    wide: int
    face: DrawnFace

    @property
    def limit(self) -> float:
        """Where the colours of drawn faces saturate: the largest value of a region."""
        blocks = [block for _, row in self.rows for block in row]
        values = [abs(one.values.get(name, 0.0)) for b in blocks for one in b.frames for name in self.face.patches]
        return max(values, default=0.0) or 1.0

    def recordings(self) -> dict[str, list[int]]:
        """Return the frames that are shown of each recording, ascending."""
        found: dict[str, set[int]] = {}
        for _, blocks in self.rows:
            for block in blocks:
                for one in block.frames:
                    found.setdefault(one.recording, set()).add(one.frame)
        return {recording: sorted(frames) for recording, frames in found.items()}

    def with_images(self, images: Mapping[tuple[str, int], bytes]) -> FrameGrid:
        """Return the chart with the images of frames, by recording and number; frames that have none get none."""
        return self._mapped(lambda one: replace(one, image=images.get((one.recording, one.frame), b"")))

    def only(self, recordings: Collection[str]) -> FrameGrid:
        """Return the chart without the images of other recordings."""
        return self._mapped(lambda one: one if one.recording in recordings else replace(one, image=b""))

    def _mapped(self, change: Callable[[FramePicture], FramePicture]) -> FrameGrid:
        rows = [
            (name, [replace(block, frames=[change(one) for one in block.frames]) for block in blocks])
            for name, blocks in self.rows
        ]
        return replace(self, rows=rows)
