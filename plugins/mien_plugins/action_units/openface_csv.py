"""Action Units that OpenFace has written beside the videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from mien.errors import DataError
from mien.interfaces import ActionUnitSource, ConfigPath
from mien.types import ActionUnitTrace, FaceTrack, FloatArray, IntArray, LandmarkScheme, Recording


class OpenFaceCsv(ActionUnitSource):
    """Action Units from OpenFace's CSV files, old headers and new (Baltrusaitis et al. 2018).

    The file is the recording's own (``action_units`` in a manifest), or in ``folder`` the one that is called like
    the recording or its video.  ``AU.._r`` gives the intensity, 0 to 5, and ``AU.._c`` the presence.  An Action Unit
    that has only a presence (OpenFace's AU28) is given with an intensity of NaN throughout; one without a column is
    absent.  Frames in which OpenFace failed (``success`` 0), or is less confident than ``min_confidence``, are NaN.

    The file is laid beside the video by time stamp (nearest within half a frame) or by frame number.  A file that
    begins, ends or runs otherwise than the video is refused: it is of another video, or its time stamps are not the
    video's.

    Of several faces one is taken throughout: the ``face_id`` with the largest sum of confidence over its frames, the
    lowest of equals.  OpenFace may give one person several ids over time; what has another id is then NaN.
    """

    citation: ClassVar[str] = "Baltrusaitis et al.: OpenFace 2.0, FG 2018"

    version: ClassVar[int] = 1

    folder: ConfigPath | None = Field(
        None, description="Folder of files called like the recording or its video; by default the recording's own file."
    )
    align: Literal["time", "frame"] = Field("time", description="What finds the row of a frame.")
    min_confidence: float = Field(
        0.75, ge=0, le=1, description="Confidence of OpenFace's below which a frame is not used."
    )
    tolerance: float = Field(
        0.2, ge=0, description="Seconds by which the file's beginning and end may differ from the video's."
    )
    face: int | None = Field(None, ge=0, description="The face_id to read, in place of the most confident one.")

    def files(self, recording: Recording) -> Sequence[Path]:
        """Return the recording's file, or those that would be it."""
        if self.folder is None:
            return super().files(recording)
        names = dict.fromkeys((recording.id, recording.video.stem))
        candidates = [self.folder / f"{name}.csv" for name in names]
        return [path for path in candidates if path.is_file()][:1] or candidates

    def action_units(self, recording: Recording, track: FaceTrack, scheme: LandmarkScheme) -> ActionUnitTrace:
        """Return OpenFace's Action Units at the video's frames.

        Raises
        ------
        DataError
            When there is no file, it is not OpenFace's, it does not fit the video, or shows no face surely enough.
        """
        import numpy as np

        from mien_plugins.action_units.openface_align import Video, by_frame, by_time
        from mien_plugins.action_units.openface_table import read_openface

        if not len(track):
            raise DataError("The video has no frame.", where=recording.id, hint="Leave the recording out.")
        table = read_openface(self._file(recording))
        seen = table.seen(self.min_confidence)
        rows = self._rows(table, seen)
        align = by_time if self.align == "time" else by_frame
        found = align(table, rows, Video(recording.video, np.asarray(track.times)), self.tolerance)
        used = (found >= 0) & seen[found]
        presence = _columns(table.presence, table.names, found, used) if table.presence else None
        intensity = _columns(table.intensity, table.names, found, used)
        return ActionUnitTrace(table.names, np.asarray(track.times), intensity, presence)

    def _file(self, recording: Recording) -> Path:
        files = self.files(recording)
        found = [path for path in files if path.is_file()]
        if found:
            return found[0]
        if not files:
            raise DataError(
                "No file of Action Units belongs to this recording.",
                where=recording.id,
                hint="Name it in the manifest's column 'action_units', or set 'folder'.",
            )
        expected = " or ".join(str(path) for path in files)
        raise DataError(
            f"The file of Action Units is missing: {expected}.",
            where=recording.id,
            hint="Run OpenFace on the video, or correct 'folder' or the name that the data set gives.",
        )

    def _rows(self, table: Any, seen: Any) -> IntArray:
        """Return the numbers of the rows of the chosen face."""
        import numpy as np

        faces = table.faces()
        known = np.unique(faces)
        if self.face is not None and self.face not in known:
            raise DataError(
                f"It has no face {self.face}.",
                where=str(table.file),
                hint=f"It has {', '.join(str(face) for face in known)}.",
            )
        if not seen.any():
            found = f"; its highest is {table.keys['confidence'].max():.2f}" if "confidence" in table.keys else ""
            raise DataError(
                f"OpenFace found no face with a confidence of {self.min_confidence} or more{found}.",
                where=str(table.file),
                hint="Look at the video; a lower 'min_confidence' uses less certain frames.",
            )
        weight = np.where(seen, table.keys.get("confidence", np.ones(len(faces))), 0)
        surest = known[np.argmax([weight[faces == face].sum() for face in known])]
        return np.flatnonzero(faces == (surest if self.face is None else self.face))


def _columns(columns: Any, names: Sequence[str], rows: IntArray, used: Any) -> FloatArray:
    """Return the values of each frame's row, ``(T, len(names))``; NaN where not used or not told."""
    import numpy as np

    values = np.full((len(rows), len(names)), np.nan)
    for column, name in enumerate(names):
        if name in columns:
            values[used, column] = columns[name][rows[used]]
    return values
