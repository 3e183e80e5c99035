"""Fixations of viewers that never were, around a region of a tracked face."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import numpy as np

from mien import DataError, nearest
from mien_gaze.files import COLUMNS
from mien_gaze.settings import SyntheticViewers

if TYPE_CHECKING:
    import pandas as pd

    from mien import FaceTrack, LandmarkScheme

_SPREAD_OF_DURATIONS = 0.35  # of the logarithm: most fixations last between half and twice the median
_BEYOND = 0.25  # of the face's box, on each side


def synthetic_fixations(
    recording: str, track: FaceTrack, scheme: LandmarkScheme, viewers: SyntheticViewers
) -> pd.DataFrame:
    """Return made-up fixations on one recording, in the columns of a fixation file; see `SyntheticViewers`.

    Parameters
    ----------
    recording : str
        Decides, with the seed and the viewer, everything that is drawn.
    track : FaceTrack
        Of the whole recording.
    scheme : LandmarkScheme
        Of the track's landmarks.
    viewers : SyntheticViewers

    Returns
    -------
    DataFrame
        Columns recording, time (s), x, y (pixels of the video), duration (s), viewer; without rows where no frame
        holds a face.  ``to_csv(path, index=False)`` makes a file that the analyzer reads.

    Raises
    ------
    DataError
        When the scheme has no such region.
    """
    import pandas as pd

    if viewers.region not in scheme.regions:
        where = "synthetic.region"
        message = f"The landmark scheme {scheme.id} has no region '{viewers.region}'."
        raise DataError(message, where=where, hint=nearest(viewers.region, scheme.regions))
    rows = []
    if track.valid.any():
        for viewer in range(viewers.viewers):
            rng = np.random.default_rng([viewers.seed, zlib.crc32(recording.encode()), viewer])
            offset = np.random.default_rng([viewers.seed, viewer]).normal(0, viewers.bias, 2)
            rows += _scanpath(recording, f"synthetic{viewer:02d}", offset, track, scheme, viewers, rng)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _scanpath(
    recording: str,
    viewer: str,
    offset: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    track: FaceTrack,
    scheme: LandmarkScheme,
    viewers: SyntheticViewers,
    rng: np.random.Generator,
) -> list[tuple[str, float, float, float, float, str]]:
    """Return one viewer's fixations, one after the other until the video ends."""
    seen = np.flatnonzero(track.valid)
    points = np.asarray(track.landmarks[seen], np.float64)
    middles = scheme.region_centres(points)[viewers.region]
    unit, low, high = scheme.inter_ocular(points), points.min(1), points.max(1)
    margin = _BEYOND * (high - low)
    found = []
    time = float(rng.uniform(0, viewers.duration))  # nobody's first fixation begins with the video
    while time < float(track.times[-1]):
        duration = viewers.duration * float(np.exp(rng.normal(0, _SPREAD_OF_DURATIONS)))
        nearest_frame = int(np.abs(track.times[seen] - (time + duration / 2)).argmin())
        near = middles[nearest_frame] + (offset + rng.normal(0, viewers.spread, 2)) * unit[nearest_frame]
        anywhere = rng.uniform(low[nearest_frame] - margin[nearest_frame], high[nearest_frame] + margin[nearest_frame])
        x, y = near if rng.random() < viewers.attention else anywhere
        found.append((recording, time, float(x), float(y), duration, viewer))
        time += duration + viewers.saccade
    return found
