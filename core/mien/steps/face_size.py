"""How large faces are in the videos."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from mien.clips.source import ClipSource
from mien.steps.track import track_info
from mien.store.arrays import read_rows
from mien.types import LandmarkScheme

MEASURES = {"inter_ocular_distance": "pixels", "face_height": "frame heights"}
"""What `face_sizes` measures, and its unit."""

_FRAMES = 200
"""Of each recording, evenly spaced: a long video is not read as a whole for a median."""


def face_sizes(source: ClipSource, recordings: Iterable[str]) -> pd.DataFrame:
    """Return the median size of the face in each recording.

    Parameters
    ----------
    recordings : iterable of str
        Ids.

    Returns
    -------
    DataFrame
        recording, participant, inter_ocular_distance (pixels), face_height (the box's, as a fraction of the frame's);
        medians over up to 200 evenly spaced frames with a face.
    """
    rows = []
    for id_ in recordings:
        item = source.prepared(id_)
        distance, height = _sizes(item.track, source.scheme)
        place = {"recording": id_, "participant": item.recording.participant}
        rows.append(place | {"inter_ocular_distance": distance, "face_height": height})
    return pd.DataFrame(rows, columns=["recording", "participant", *MEASURES])


def _sizes(track: Path, scheme: LandmarkScheme) -> tuple[float, float]:
    boxes = read_rows(track / "boxes.npy")
    known = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    chosen = known[np.unique(np.linspace(0, len(known) - 1, min(_FRAMES, len(known))).round().astype(int))]
    landmarks = np.concatenate([read_rows(track / "landmarks.npy", row, row + 1) for row in chosen.tolist()])
    heights = (boxes[chosen, 3] - boxes[chosen, 1]) / track_info(track).height
    return float(np.median(scheme.inter_ocular(landmarks))), float(np.median(heights))
