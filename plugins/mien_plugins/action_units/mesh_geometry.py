"""Action Units from where the landmarks are: distances that a muscle's pull makes longer or shorter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from mien.errors import DataError
from mien.interfaces import ActionUnitSource
from mien.types import ActionUnitTrace, FaceTrack, LandmarkScheme, Recording
from mien_plugins.action_units.face_parts import PARTS

FULL_SCALE: Mapping[str, float] = {
    "AU01": 0.18,
    "AU02": 0.20,
    "AU04": 0.20,
    "AU09": 0.10,
    "AU12": 0.30,
    "AU15": 0.12,
    "AU25": 0.30,
    "AU26": 0.40,
    "AU45": 0.15,
}
"""Inter-ocular distances by which the measure differs from neutral at intensity 5.

The strongest that faces show, roughly; they set the unit of the intensities, not their order.
"""


class MeshGeometry(ActionUnitSource):
    """Action Units from landmark geometry: proxies that follow an AU's course, not a trained AU detector.

    Each frame's landmarks are turned to look straight into the camera: place, size, roll, yaw and pitch of the head
    are fitted to points that no muscle moves, with the depths of a canonical face, and taken out.  One measure for each
    AU, in inter-ocular distances; what a second muscle does to it is taken out where the anatomy says how:

    ====  ==================================================================================================
    AU01  height of the inner brows, less half of the middles' (AU02), more a quarter of their approach (AU04)
    AU02  height of the outer brows
    AU04  lowering of the inner brows and their middles, more half of the outer brows' height (AU02) and half
          of the inner brows' approach
    AU09  height of the nose's wings above the inner eye corners' level, less 0.3 of the upper lip's (AU10)
    AU12  mouth corners outwards, and half of their way upwards
    AU15  mouth corners downwards from the base of the nose, more their way outwards: a smile pulls them up
          and out alike
    AU25  opening between the lips, whether they part or the jaw drops
    AU26  lowering of the chin
    AU45  nearness of the lids
    ====  ==================================================================================================

    Neutral is a low quantile of the measure over the recording itself, for each AU: it is taken that an AU rests in
    that part of the frames at least.  The difference is scaled to 0-5 by `FULL_SCALE` and clipped.  AU06 (the
    cheeks) is absent, as are all others: exact landmarks would show it, but those that detectors find do not once
    other AUs are active.  AU04 and AU09 are the weakest of those given.
    """

    version: ClassVar[int] = 2

    neutral_quantile: float = Field(
        0.1, ge=0, le=0.5, description="Quantile over the recording that counts as neutral."
    )
    presence_from: float = Field(1.0, gt=0, le=5, description="Intensity from which an AU counts as present.")

    def action_units(self, recording: Recording, track: FaceTrack, scheme: LandmarkScheme) -> ActionUnitTrace:
        """Return the intensities; NaN in frames without a face.

        Raises
        ------
        DataError
            When the landmark scheme is not one of `PARTS`.
        """
        import numpy as np

        from mien_plugins.action_units.head_frame import places

        if scheme.id not in PARTS:
            raise DataError(
                f"'mesh_geometry' does not know the points of the landmark scheme '{scheme.id}'.",
                where=recording.id,
                hint="It reads " + " and ".join(f"'{name}'" for name in PARTS) + ".",
            )
        seen = np.flatnonzero(np.isfinite(track.landmarks).all((1, 2)))
        intensity = np.full((len(track), len(_MEASURES)), np.nan)
        presence = intensity.copy()
        if len(seen):
            parts = places(track.landmarks[seen], scheme)
            for column, (name, measure) in enumerate(_MEASURES.items()):
                values = measure(parts)
                above = values - np.quantile(values, self.neutral_quantile)
                intensity[seen, column] = np.clip(above * 5 / FULL_SCALE[name], 0, 5)
            presence[seen] = intensity[seen] >= self.presence_from
        return ActionUnitTrace(tuple(_MEASURES), np.asarray(track.times), intensity, presence)


_Places = Mapping[str, Any]


def _height(places: _Places, part: str) -> Any:
    """Return how high a part is, the mean of both sides of the face."""
    if part in places:
        return -places[part][:, 1]
    return -(places[f"right_{part}"] + places[f"left_{part}"])[:, 1] / 2


def _apart(places: _Places, part: str) -> Any:
    """Return how far both sides of a part are from each other."""
    return places[f"left_{part}"][:, 0] - places[f"right_{part}"][:, 0]


def _inner_brow(places: _Places) -> Any:
    approach = -_apart(places, "inner_brow")
    return _height(places, "inner_brow") - _height(places, "middle_brow") / 2 + approach / 4


def _outer_brow(places: _Places) -> Any:
    return _height(places, "outer_brow")


def _frown(places: _Places) -> Any:
    lowered = -_height(places, "inner_brow") - _height(places, "middle_brow") + _height(places, "outer_brow") / 2
    return lowered - _apart(places, "inner_brow") / 2


def _nose_wings(places: _Places) -> Any:
    return _height(places, "nose_wing") - _height(places, "inner_corner") - 0.3 * _height(places, "upper_lip")


def _smile(places: _Places) -> Any:
    return (_apart(places, "mouth_corner") + _height(places, "mouth_corner")) / 2


def _corners_down(places: _Places) -> Any:
    drop = _height(places, "nose_base") - _height(places, "mouth_corner")
    return drop + _apart(places, "mouth_corner") / 2


def _lips_apart(places: _Places) -> Any:
    return _height(places, "upper_inner_lip") - _height(places, "lower_inner_lip")


def _jaw(places: _Places) -> Any:
    return -_height(places, "chin")


def _lids_closed(places: _Places) -> Any:
    return _height(places, "lower_lid") - _height(places, "upper_lid")


_MEASURES: dict[str, Callable[[_Places], Any]] = {
    "AU01": _inner_brow,
    "AU02": _outer_brow,
    "AU04": _frown,
    "AU09": _nose_wings,
    "AU12": _smile,
    "AU15": _corners_down,
    "AU25": _lips_apart,
    "AU26": _jaw,
    "AU45": _lids_closed,
}
