"""Action Units from where the landmarks are: distances that a muscle's pull makes longer or shorter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from pydantic import Field

from mien.errors import DataError
from mien.interfaces import ActionUnitSource
from mien.types import ActionUnitTrace, FaceTrack, FloatArray, LandmarkScheme, Recording

_MESH: dict[str, tuple[int, ...]] = {
    "right_inner_brow": (107, 55, 66),
    "left_inner_brow": (336, 285, 296),
    "right_outer_brow": (70, 63, 46),
    "left_outer_brow": (300, 293, 276),
    "right_upper_lid": (160, 159, 158),
    "right_lower_lid": (144, 145, 153),
    "left_upper_lid": (387, 386, 385),
    "left_lower_lid": (373, 374, 380),
    "right_inner_corner": (133,),
    "left_inner_corner": (362,),
    "right_outer_corner": (33,),
    "left_outer_corner": (263,),
    "right_nose_wing": (98, 129, 64),
    "left_nose_wing": (327, 358, 294),
    "nose_base": (2,),
    "right_mouth_corner": (61,),
    "left_mouth_corner": (291,),
    "upper_inner_lip": (82, 13, 312),
    "lower_inner_lip": (87, 14, 317),
    "chin": (148, 152, 377),
}

_IBUG: dict[str, tuple[int, ...]] = {
    "right_inner_brow": (20, 21),
    "left_inner_brow": (22, 23),
    "right_outer_brow": (17, 18),
    "left_outer_brow": (25, 26),
    "right_upper_lid": (37, 38),
    "right_lower_lid": (40, 41),
    "left_upper_lid": (43, 44),
    "left_lower_lid": (46, 47),
    "right_inner_corner": (39,),
    "left_inner_corner": (42,),
    "right_outer_corner": (36,),
    "left_outer_corner": (45,),
    "right_nose_wing": (31,),
    "left_nose_wing": (35,),
    "nose_base": (33,),
    "right_mouth_corner": (48,),
    "left_mouth_corner": (54,),
    "upper_inner_lip": (61, 62, 63),
    "lower_inner_lip": (67, 66, 65),
    "chin": (7, 8, 9),
}

PARTS: Mapping[str, Mapping[str, tuple[int, ...]]] = {"mediapipe_478": _MESH, "ibug_68": _IBUG}
"""Landmark scheme to part of the face to the points whose mean is its place."""

FULL_SCALE: Mapping[str, float] = {
    "AU01": 0.20,
    "AU02": 0.20,
    "AU04": 0.15,
    "AU09": 0.10,
    "AU12": 0.25,
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

    Each frame's landmarks are aligned by a similarity on the scheme's stable points to its mean face, which takes out
    the head's place, size and roll, but not yaw and pitch.  One measure for each AU, in inter-ocular distances:

    ====  ==================================================================
    AU01  height of the inner brows above the inner eye corners
    AU02  height of the outer brows above the outer eye corners
    AU04  nearness of the inner brows, and half of their lowering
    AU09  height of the nose's wings, relative to the inner eye corners
    AU12  mouth corners outwards and upwards
    AU15  mouth corners below the middle of the lips' opening
    AU25  opening between the lips
    AU26  distance of the chin from the base of the nose
    AU45  nearness of the lids
    ====  ==================================================================

    Neutral is a low quantile of the measure over the recording itself, for each AU: it is taken that an AU rests in
    that part of the frames at least.  The difference is scaled to 0-5 by `FULL_SCALE` and clipped.  AU06 (the
    cheeks) moves no landmark that could be told from AU12 or the lids, and is absent, as are the others.
    AU04 is the weakest of those given.
    """

    version: ClassVar[int] = 1

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
            places = _places(track.landmarks[seen], scheme)
            for column, (name, measure) in enumerate(_MEASURES.items()):
                values = measure(places)
                above = values - np.quantile(values, self.neutral_quantile)
                intensity[seen, column] = np.clip(above * 5 / FULL_SCALE[name], 0, 5)
            presence[seen] = intensity[seen] >= self.presence_from
        return ActionUnitTrace(tuple(_MEASURES), np.asarray(track.times), intensity, presence)


def _places(landmarks: FloatArray, scheme: LandmarkScheme) -> dict[str, FloatArray]:
    """Return each part's place after alignment, ``(T, 2)`` in inter-ocular distances, y downwards."""
    import numpy as np

    stable = list(scheme.stable)
    scale, shift = _similarity(landmarks[:, stable], scheme.mean_face[stable])
    places = {}
    for part, points in PARTS[scheme.id].items():
        # The mean of the points first: a similarity keeps means.
        aligned = scale * _complex(landmarks[:, list(points)].mean(1, dtype=np.float64)) + shift
        places[part] = np.stack([aligned.real, aligned.imag], axis=-1)
    return places


def _similarity(source: FloatArray, target: FloatArray) -> tuple[Any, Any]:
    """Return complex scale and shift, ``(T,)`` each, of the least-squares similarity ``(T, K, 2)`` to ``(K, 2)``."""
    z, w = _complex(source), _complex(target)
    z_mean, w_mean = z.mean(-1), w.mean()
    centred = z - z_mean[:, None]
    scale = (centred.conj() * (w - w_mean)).sum(-1) / (abs(centred) ** 2).sum(-1)
    return scale, w_mean - scale * z_mean


def _complex(points: FloatArray) -> Any:
    return points[..., 0].astype("f8") + 1j * points[..., 1].astype("f8")


_Places = Mapping[str, Any]


def _below(places: _Places, lower: str, upper: str) -> Any:
    """Return how far the part ``lower`` is below ``upper``, the mean of both sides of the face."""
    sides = [places[f"{side}_{lower}"] - places[f"{side}_{upper}"] for side in ("right", "left")]
    return (sides[0][:, 1] + sides[1][:, 1]) / 2


def _inner_brow(places: _Places) -> Any:
    return _below(places, "inner_corner", "inner_brow")


def _outer_brow(places: _Places) -> Any:
    return _below(places, "outer_corner", "outer_brow")


def _frown(places: _Places) -> Any:
    apart = places["left_inner_brow"][:, 0] - places["right_inner_brow"][:, 0]
    return -apart - 0.5 * _inner_brow(places)


def _nose_wings(places: _Places) -> Any:
    return -_below(places, "nose_wing", "inner_corner")


def _smile(places: _Places) -> Any:
    right, left, base = places["right_mouth_corner"], places["left_mouth_corner"], places["nose_base"]
    width = (left[:, 0] - right[:, 0]) / 2
    return width + base[:, 1] - (right[:, 1] + left[:, 1]) / 2


def _corners_down(places: _Places) -> Any:
    middle = (places["upper_inner_lip"] + places["lower_inner_lip"])[:, 1] / 2
    return (places["right_mouth_corner"] + places["left_mouth_corner"])[:, 1] / 2 - middle


def _lips_apart(places: _Places) -> Any:
    return (places["lower_inner_lip"] - places["upper_inner_lip"])[:, 1]


def _jaw(places: _Places) -> Any:
    return (places["chin"] - places["nose_base"])[:, 1]


def _lids_closed(places: _Places) -> Any:
    return -_below(places, "lower_lid", "upper_lid")


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
