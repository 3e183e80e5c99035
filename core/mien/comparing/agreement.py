"""How far two face tracks lie apart, frame by frame and place by place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.tables import FRAME, TIME, Column, Table, conform
from mien.types import FloatArray, LandmarkScheme

if TYPE_CHECKING:
    import pandas as pd

UNIT = "inter-ocular distances"

_DISTANCE = "of the frames where both found a face"
FRAMES = Table(
    "detector_frames",
    "A frame of the video, and what two detectors found in it.",
    (
        FRAME,
        TIME,
        Column("first_found", "boolean", "Whether the first detector found a face."),
        Column("second_found", "boolean", "Whether the second detector found a face."),
        Column("first_confidence", "number", "Confidence of the first detector's face; 0 without one."),
        Column("second_confidence", "number", "Confidence of the second detector's face; 0 without one."),
        Column("first_faces", "integer", "Faces that the first detector saw."),
        Column("second_faces", "integer", "Faces that the second detector saw."),
        Column("inter_ocular_px", "number", "Mean of the two inter-ocular distances.", "pixels", nullable=True),
        Column("distance", "number", "Mean distance of the shared places.", UNIT, nullable=True),
        Column("distance_worst", "number", "Largest distance of a shared place.", UNIT, nullable=True),
        Column("distance_regions", "number", "Mean distance of the regions' centres.", UNIT, nullable=True),
        Column(
            "distance_all",
            "number",
            "Mean distance of all landmarks; absent where the landmark schemes differ.",
            UNIT,
            nullable=True,
        ),
        Column("box_overlap", "number", "Intersection over union of the two boxes.", nullable=True),
    ),
)
POINTS = Table(
    "detector_points",
    "A place of the face that both landmark schemes know.",
    (
        Column("point", "string", "Its name."),
        Column("kind", "string", "A single place, or the middle of a region's box.", allowed=("place", "region")),
        Column("n", "integer", "Frames where both found a face.", "frames"),
        Column("median", "number", f"Median distance {_DISTANCE}.", UNIT, nullable=True),
        Column("p90", "number", f"90 % {_DISTANCE} lie below it.", UNIT, nullable=True),
        Column("offset_x", "number", "Mean of second minus first, rightwards.", UNIT, nullable=True),
        Column("offset_y", "number", "Mean of second minus first, downwards.", UNIT, nullable=True),
    ),
)


@dataclass(frozen=True)
class Agreement:
    """What a stretch of frames shows of two tracks.

    Attributes
    ----------
    frames : mapping of str to ndarray, shape (T,)
        The columns of `FRAMES` that need no counting.
    places, regions : mapping of str to ndarray, shape (T, 2)
        Second minus first, in inter-ocular distances; NaN where one of them found no face.
    """

    frames: Mapping[str, FloatArray]
    places: Mapping[str, FloatArray]
    regions: Mapping[str, FloatArray]


def agreement(first: Mapping[str, Any], second: Mapping[str, Any], schemes: Sequence[LandmarkScheme]) -> Agreement:
    """Return how two tracks of the same frames agree.

    Parameters
    ----------
    first, second : mapping of str to ndarray
        Rows ``boxes``, ``landmarks``, ``confidence`` and ``faces`` of a track; NaN without a face.
    schemes : two LandmarkScheme
    """
    one, other = first["landmarks"], second["landmarks"]
    ocular = (schemes[0].inter_ocular(one) + schemes[1].inter_ocular(other)) / 2
    unit = np.where(ocular > 0, ocular, np.nan)
    places = _offsets(schemes[0].places(one), schemes[1].places(other), unit)
    regions = _offsets(schemes[0].region_centres(one), schemes[1].region_centres(other), unit)
    lengths, centres = (
        np.stack([np.linalg.norm(offset, axis=-1) for offset in found.values()], axis=-1) for found in (places, regions)
    )
    frames: dict[str, FloatArray] = {}
    for name, track in (("first", first), ("second", second)):
        frames[f"{name}_found"] = track["confidence"] > 0
        frames[f"{name}_confidence"] = track["confidence"]
        frames[f"{name}_faces"] = track["faces"]
    frames |= {
        "inter_ocular_px": ocular,
        "distance": lengths.mean(-1),
        "distance_worst": lengths.max(-1),
        "distance_regions": centres.mean(-1),
        "distance_all": _all_points(one, other, schemes, unit),
        "box_overlap": box_overlap(first["boxes"], second["boxes"]),
    }
    return Agreement(frames, places, regions)


def _offsets(
    first: Mapping[str, FloatArray], second: Mapping[str, FloatArray], unit: FloatArray
) -> dict[str, FloatArray]:
    return {name: (second[name] - first[name]) / unit[:, None] for name in first if name in second}


def _all_points(
    first: FloatArray, second: FloatArray, schemes: Sequence[LandmarkScheme], unit: FloatArray
) -> FloatArray:
    if schemes[0].id != schemes[1].id:
        return np.full(len(unit), np.nan)
    return np.asarray(np.linalg.norm(second - first, axis=-1).mean(-1) / unit)


def box_overlap(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return the intersection over union of boxes ``(T, 4)``, pair by pair; NaN where one is absent."""
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    shared = np.maximum(sides, 0).prod(-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(-1) for boxes in (first, second)]
    return np.asarray(shared / np.maximum(areas[0] + areas[1] - shared, 1e-9))


def frame_table(parts: Sequence[Agreement], times: FloatArray) -> pd.DataFrame:
    """Return the table `FRAMES` of consecutive stretches."""
    import pandas as pd

    columns: dict[str, Any] = {"frame": np.arange(len(times)), "time_s": times}
    for column in FRAMES.columns[2:]:
        columns[column.name] = np.concatenate([part.frames[column.name] for part in parts])
    return conform(FRAMES, pd.DataFrame(columns))


def point_table(parts: Sequence[Agreement]) -> pd.DataFrame:
    """Return the table `POINTS` of consecutive stretches, single places first."""
    import pandas as pd

    rows = []
    for kind, field in (("place", "places"), ("region", "regions")):
        for name in getattr(parts[0], field):
            offsets = np.concatenate([getattr(part, field)[name] for part in parts])
            rows.append({"point": name, "kind": kind, **_spread(offsets)})
    return conform(POINTS, pd.DataFrame(rows))


def _spread(offsets: FloatArray) -> dict[str, Any]:
    seen = offsets[np.isfinite(offsets).all(-1)]
    if not len(seen):
        return {"n": 0, "median": None, "p90": None, "offset_x": None, "offset_y": None}
    lengths = np.linalg.norm(seen, axis=-1)
    across, down = seen.mean(0)
    return {
        "n": len(seen),
        "median": float(np.median(lengths)),
        "p90": float(np.quantile(lengths, 0.9)),
        "offset_x": float(across),
        "offset_y": float(down),
    }
