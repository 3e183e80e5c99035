"""What a run holds for the comparison: the explained windows, and the fixations on each."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mien import ClipKey, DataError, nearest
from mien_gaze.placing import BETWEEN, NO_FACE, OUTSIDE, USED, Points, Weigh, Window, place
from mien_gaze.tables import FATES, RECORDINGS

if TYPE_CHECKING:
    import pandas as pd

    from mien import RunView

log = logging.getLogger(__name__)

_OF_WINDOWS = {BETWEEN: "between_windows", NO_FACE: "no_face", OUTSIDE: "outside_crop", USED: "used"}
_RATE = 25.0  # frames a second, of a video of a single frame, which tells no rate


@dataclass(frozen=True)
class Looked:
    """An explained window and the fixations on its crop."""

    window: Window
    points: Points


@dataclass(frozen=True)
class Gathered:
    """All that is compared.

    Attributes
    ----------
    looked : sequence of Looked
        Windows with a fixation on the crop.
    windows : int
        Of all that were explained.
    fates : mapping of str to int
        How many fixations met each fate of `mien_gaze.tables.FATES`.
    recordings : DataFrame
        The table ``gaze_recordings``.
    shape : (int, int)
        Of the crop.
    """

    looked: Sequence[Looked]
    windows: int
    fates: Mapping[str, int]
    recordings: pd.DataFrame
    shape: tuple[int, int]


@dataclass(frozen=True)
class Video:
    """What decides whether a fixation can be on a video: its end (seconds), how long a frame is shown, its size."""

    end: float
    shown: float
    width: int
    height: int

    @classmethod
    def of(cls, run: RunView, recording: str) -> Video:
        """Return that of a recording, from its track."""
        track = run.track(recording)
        times = track.times
        shown = float(np.median(np.diff(times))) if len(times) > 1 else 1 / _RATE
        return cls(float(times[-1]) + shown, shown, track.width, track.height)


def explained_keys(run: RunView) -> dict[str, list[ClipKey]]:
    """Return the clips that each method explained; those out of distribution only where there is nothing else."""
    rows = run.relevance[["method", "recording", "participant", "window", "split"]].drop_duplicates()
    inside = rows[rows["split"] != "out_of_distribution"]
    found: dict[str, list[ClipKey]] = {}
    kept = (inside if len(inside) else rows).drop(columns="split")
    for method, recording, participant, window in kept.itertuples(index=False):
        found.setdefault(str(method), []).append(ClipKey(str(recording), str(participant), int(window)))
    return found


def gather(run: RunView, fixations: pd.DataFrame, keys: Sequence[ClipKey], weigh: Weigh) -> Gathered:
    """Return the windows and the fixations on them; every fixation is counted under one fate.

    Parameters
    ----------
    run : RunView
    fixations : DataFrame
        Columns as in a fixation file.
    keys : sequence of ClipKey
        The explained clips; of video, with transforms.
    weigh : {"count", "duration"}

    Raises
    ------
    DataError
        When no fixation is on a recording of the run, or all are after the end of their videos.
    """
    videos = {recording: Video.of(run, recording) for recording in dict.fromkeys(key.recording for key in keys)}
    fates = first_fates(fixations, set(run.recordings["recording"]), videos, weigh)
    _tell_unknown(sorted(set(fixations["recording"][fates == "unknown_recording"])), run)
    _require_some(fates)
    usable = fixations[fates == "used"]
    own = {str(name): table for name, table in usable.groupby("recording", sort=False)}
    nothing = usable.iloc[:0]
    reached = {name: np.full(len(table), BETWEEN) for name, table in own.items()}
    looked, shape = [], (0, 0)
    for batch in run.clips(keys):
        shape = int(batch.inputs.shape[-2]), int(batch.inputs.shape[-1])
        for number, key in enumerate(batch.keys):
            window = Window.of(batch, number, videos[key.recording].shown)
            points, met = place(own.get(key.recording, nothing), window, run.tiles, weigh)
            if key.recording in reached:
                np.maximum(reached[key.recording], met, out=reached[key.recording])
            if len(points):
                looked.append(Looked(window, points))
    for name, table in own.items():
        fates.loc[table.index] = np.array([_OF_WINDOWS[int(code)] for code in reached[name]], dtype=object)
    return Gathered(
        looked=looked,
        windows=len(keys),
        fates={fate: int((fates == fate).sum()) for fate in FATES},
        recordings=_by_recording(run, fixations, fates, set(videos)),
        shape=shape,
    )


def first_fates(
    fixations: pd.DataFrame, known: Collection[str], videos: Mapping[str, Video], weigh: Weigh
) -> pd.Series[str]:
    """Return the fate of each fixation before any window is looked at; ``used`` stands for those that are left.

    Parameters
    ----------
    fixations : DataFrame
    known : collection of str
        All recordings of the run.
    videos : mapping of str to Video
        Those that were explained.
    weigh : {"count", "duration"}
        By duration, a fixation has to last.
    """
    import pandas as pd

    fates = np.full(len(fixations), "used", dtype=object)
    of = fixations["recording"].to_numpy(dtype=object)
    time, x, y, duration = (fixations[name].to_numpy(np.float64) for name in ("time", "x", "y", "duration"))
    least = duration > 0 if weigh == "duration" else duration >= 0
    named = fixations["viewer"].to_numpy(dtype=object) != ""
    sound = np.isfinite(time) & np.isfinite(x) & np.isfinite(y) & np.isfinite(duration) & least & named
    for recording in dict.fromkeys(of):
        own = of == recording
        if recording not in known:
            fates[own] = "unknown_recording"
        elif recording not in videos:
            fates[own] = "not_explained"
        else:
            video = videos[recording]
            beside = ~((x >= -0.5) & (x < video.width - 0.5) & (y >= -0.5) & (y < video.height - 0.5))
            fates[own & beside] = "outside_frame"
            fates[own & ((time < 0) | (time >= video.end))] = "beyond_video"
            fates[own & ~sound] = "invalid"
    return pd.Series(fates, index=fixations.index)


def _tell_unknown(unknown: Sequence[str], run: RunView) -> None:
    """Name the recordings that are not of the run in the log: a report may be without names."""
    known = [str(name) for name in run.recordings["recording"]]
    for name in unknown[:10]:
        log.warning("fixations: '%s' is not a recording of this run. %s", name, nearest(name, known))


def _require_some(fates: pd.Series[str]) -> None:
    if (fates == "unknown_recording").all():
        hint = "Its column 'recording' (a folder: its files' names) should be the recordings' ids; the log names some."
        raise DataError("No fixation is on a recording of this run.", where="fixations", hint=hint)
    placed = fates[~fates.isin(["unknown_recording", "not_explained", "invalid"])]
    if len(placed) and (placed == "beyond_video").all():
        hint = "Times are seconds from the start of the video; are these milliseconds, or of another clock?"
        raise DataError(
            "All fixations are before the start or after the end of their videos.", where="fixations", hint=hint
        )


def _by_recording(run: RunView, fixations: pd.DataFrame, fates: pd.Series[str], explained: set[str]) -> pd.DataFrame:
    import pandas as pd

    columns = [column.name for column in RECORDINGS.columns]
    rows = []
    for recording, participant in run.recordings[["recording", "participant"]].itertuples(index=False):
        own = (fixations["recording"] == recording).to_numpy(bool)
        if recording not in explained and not own.any():
            continue
        met = Counter(fates[own])
        viewers = fixations["viewer"][own & (fates == "used").to_numpy(bool)].nunique()
        rows.append((recording, participant, viewers, *(met[name] for name in columns[3:])))
    return pd.DataFrame(rows, columns=columns)
