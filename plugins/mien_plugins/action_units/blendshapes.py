"""Action Units from the blendshapes that MediaPipe's FaceLandmarker gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from mien.errors import DataError
from mien.interfaces import ActionUnitSource
from mien.types import ActionUnitTrace, FaceTrack, FloatArray, LandmarkScheme, Recording
from mien_plugins.action_units.blendshape_map import MAP, NAMES, columns

_EXTRA = "blendshapes"
_HINT = "Of the detectors, 'mediapipe' gives them, with 'model: face_landmarker.task' (its place) or 'api: tasks'."


class Blendshapes(ActionUnitSource):
    """Action Units from MediaPipe's 52 blendshapes, by the table `blendshape_map.MAP`.

    A blendshape's 0 to 1 is the intensity's 0 to 5, linearly; left and right count as their mean.  How strong a
    movement is at 1 was learnt by MediaPipe and is not FACS' grade E, so read the course of an intensity, not its
    size; no presence is told.  The values follow the video by about a frame, as MediaPipe smooths over time.

    It needs a track of the detector `mediapipe` with a ``face_landmarker.task`` file.
    """

    version: ClassVar[int] = 1
    needs: ClassVar[Mapping[str, str]] = {_EXTRA: _HINT}

    def action_units(self, recording: Recording, track: FaceTrack, scheme: LandmarkScheme) -> ActionUnitTrace:
        """Return the intensities; NaN in frames without a face.

        Raises
        ------
        DataError
            When the track has no blendshapes, or not MediaPipe's 52.
        """
        import numpy as np

        shapes = self._shapes(recording, track)
        intensity = np.stack([_strength(shapes, line.shapes) for line in MAP.values()], axis=1)
        return ActionUnitTrace(tuple(MAP), np.asarray(track.times), np.clip(5 * intensity, 0, 5))

    def _shapes(self, recording: Recording, track: FaceTrack) -> FloatArray:
        """Return the blendshapes, ``(T, 52)`` float64; NaN in frames without a face."""
        import numpy as np

        if _EXTRA not in track.extras:
            raise DataError(
                "The face track has no blendshapes.",
                where=recording.id,
                hint=_HINT,
            )
        shapes = np.array(track.extras[_EXTRA], float)
        if shapes.shape != (len(track), len(NAMES)):
            raise DataError(
                f"The blendshapes have the shape {shapes.shape}, where MediaPipe's are {(len(track), len(NAMES))}.",
                where=recording.id,
            )
        shapes[~track.valid] = np.nan
        return shapes


def _strength(shapes: FloatArray, names: tuple[str, ...]) -> FloatArray:
    import numpy as np

    return np.asarray(np.max([shapes[:, columns(name)].mean(1) for name in names], axis=0))
