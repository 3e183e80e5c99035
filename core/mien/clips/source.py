"""Clips of prepared recordings, read from the store when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from mien.clips.standardise import standardise
from mien.clips.windows import Window, plan_windows, random_window
from mien.config.settings import PoolingSettings, WindowSettings
from mien.errors import DataError, MienError, ModelError
from mien.interfaces import Cropper
from mien.promises import at_work, broken
from mien.regions import bits
from mien.store.arrays import read_rows
from mien.types import BitArray, BoolArray, ClipBatch, ClipKey, FloatArray, InputSpec, LandmarkScheme, Recording


@dataclass(frozen=True)
class PreparedRecording:
    """A recording with its stored track and crops.

    Attributes
    ----------
    recording : Recording
    track, crops : Path
        Folders that the steps ``track`` and ``crop`` wrote.
    """

    recording: Recording
    track: Path
    crops: Path


class ClipSource:
    """The windows of prepared recordings as clips.

    Only the rows that a clip needs are read, and no file stays open; the source is light enough to travel to
    worker processes.

    Parameters
    ----------
    prepared : sequence of PreparedRecording
    cropper : Cropper
        That made the crops.
    scheme : LandmarkScheme
        Of the tracks' landmarks.
    windows : WindowSettings
    spec : InputSpec
        How the network wants its clips; the size is that of the crops.
    pooling : PoolingSettings
    """

    def __init__(
        self,
        prepared: Sequence[PreparedRecording],
        cropper: Cropper,
        scheme: LandmarkScheme,
        windows: WindowSettings,
        spec: InputSpec,
        pooling: PoolingSettings,
    ) -> None:
        self._prepared = {item.recording.id: item for item in prepared}
        self.cropper = cropper
        self.scheme = scheme
        self.windows_settings = windows
        self.spec = spec
        self.pooling = pooling
        self._timelines: dict[str, tuple[FloatArray, BoolArray]] = {}
        self._windows: dict[str, list[Window]] = {}

    def __getstate__(self) -> Mapping[str, Any]:
        return {**self.__dict__, "_timelines": {}, "_windows": {}}

    @property
    def region_names(self) -> tuple[str, ...]:
        """The regions, in the order of their bits."""
        return bits.region_names

    @property
    def recordings(self) -> list[Recording]:
        """The recordings, in the order given."""
        return [item.recording for item in self._prepared.values()]

    @property
    def keys(self) -> list[ClipKey]:
        """All windows of all recordings, in order.

        Raises
        ------
        DataError
            When a recording has no window (see `windows`).
        """
        return self.select()

    def prepared(self, recording: str) -> PreparedRecording:
        """Return where the files of a recording are, by its id.

        Raises
        ------
        DataError
            When the source has no such recording.
        """
        if recording not in self._prepared:
            raise DataError("It is not among the prepared recordings.", where=f"recording {recording}")
        return self._prepared[recording]

    def timeline(self, recording: str) -> tuple[FloatArray, BoolArray]:
        """Return time and validity of each source frame of a recording, each of shape (T,)."""
        if recording not in self._timelines:
            item = self.prepared(recording)
            times, valid = read_rows(item.track / "times.npy"), read_rows(item.crops / "valid.npy")
            self._timelines[recording] = times, valid
        return self._timelines[recording]

    def windows(self, recording: str) -> list[Window]:
        """Return the windows of a recording; a key's ``window`` is a place in the list.

        Raises
        ------
        DataError
            When the recording is shorter than a window, or every window lacks too many faces.
        """
        if recording not in self._windows:
            with _Named(self.prepared(recording)):
                self._windows[recording] = plan_windows(*self.timeline(recording), self.windows_settings)
        return self._windows[recording]

    def random_window(self, recording: str, rng: np.random.Generator) -> Window:
        """Return a window that begins at a random frame; one number is drawn from ``rng``."""
        with _Named(self.prepared(recording)):
            return random_window(*self.timeline(recording), self.windows_settings, rng)

    def select(self, per_recording: int | None = None, recordings: Iterable[str] | None = None) -> list[ClipKey]:
        """Return keys of windows spread evenly over each recording.

        Parameters
        ----------
        per_recording : int, optional
            How many of each; all when it has no more, or when left out.
        recordings : iterable of str, optional
            Ids; all when left out.
        """
        keys = []
        for id_ in self._prepared if recordings is None else recordings:
            participant, count = self.prepared(id_).recording.participant, len(self.windows(id_))
            wanted = count if per_recording is None else min(per_recording, count)
            # The middles of as many equal stretches.
            places = [int((place + 0.5) * count / wanted) for place in range(wanted)]
            keys += [ClipKey(id_, participant, place) for place in places]
        return keys

    def pixels(self, recording: str, frame_numbers: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the crops of some source frames, in the order asked for.

        Use a window's ``content``, which has a valid frame in the place of each invalid one.

        Returns
        -------
        ndarray
            ``(T, H, W, 3)`` uint8, or ``(T, N, 2)`` float32 for a cropper of landmarks.
        """
        return _rows(self.prepared(recording).crops / "data.npy", frame_numbers)

    def landmarks(self, recording: str, frame_numbers: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the landmarks of some source frames, ``(T, N, 2)`` in source pixels."""
        return _rows(self.prepared(recording).track / "landmarks.npy", frame_numbers)

    def transforms(self, recording: str, frame_numbers: npt.ArrayLike) -> npt.NDArray[Any]:
        """Return the crops' transforms of some source frames, ``(T, K, 2, 3)``."""
        return _rows(self.prepared(recording).crops / "transforms.npy", frame_numbers)

    def regions(self, recording: str, frame_numbers: npt.ArrayLike) -> BitArray:
        """Return the region bits of the crops of some source frames, ``(T, H, W)`` or ``(T, N)``.

        Raises
        ------
        PluginError
            When the cropper gives no bits, or not one set of them for each element.
        """
        landmarks, transforms = self.landmarks(recording, frame_numbers), self.transforms(recording, frame_numbers)
        settings = self.pooling.shape, self.pooling.padding
        with at_work(self.cropper, "regions"):
            found = self.cropper.regions(landmarks, transforms, self.scheme, *settings)
        video = self.cropper.layout == "video"
        each = (self.cropper.height, self.cropper.width) if video else landmarks.shape[1:2]
        if not isinstance(found, np.ndarray) or found.shape != (len(landmarks), *each) or found.dtype.kind not in "iu":
            kind = f"{found.dtype} {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
            promised = f"'regions' returns bits, uint16 {(len(landmarks), *each)}"
            raise broken(self.cropper, f"The regions of {len(landmarks)} frames are {kind}.", promised)
        return found

    def batch(self, keys: Sequence[ClipKey], spec: InputSpec | None = None) -> ClipBatch:
        """Return clips on the CPU, standardised, with the regions of every element.

        A frame without a face shows its nearest valid neighbour, with its regions and transform;
        ``frames`` and ``times`` stay those of the frame itself.

        Parameters
        ----------
        keys : sequence of ClipKey
            At least one; of the source's recordings.
        spec : InputSpec, optional
            How to standardise them; the source's own way when left out.  The size stays that of the crops.

        Raises
        ------
        ModelError
            When ``spec`` has another layout than the crops.
        """
        spec = spec or self.spec
        if spec.layout != self.spec.layout:
            raise ModelError(f"The clips are {self.spec.layout}, not {spec.layout}.")
        windows = [self.windows(key.recording)[key.window] for key in keys]
        parts = [self._part(key.recording, window) for key, window in zip(keys, windows, strict=True)]
        data, transforms, regions = (torch.from_numpy(np.stack(values)) for values in zip(*parts, strict=True))
        times = [self.timeline(key.recording)[0][window.frames] for key, window in zip(keys, windows, strict=True)]
        labels = [self.prepared(key.recording).recording.label for key in keys]
        return ClipBatch(
            inputs=standardise(data, spec),
            regions=regions,
            region_names=self.region_names,
            times=torch.from_numpy(np.stack(times)),
            frames=torch.from_numpy(np.stack([window.frames for window in windows])),
            valid=torch.from_numpy(np.stack([window.valid for window in windows])),
            keys=list(keys),
            labels=torch.tensor([float("nan") if label is None else label for label in labels]),
            transforms=transforms,
            layout=self.spec.layout,
        )

    def batches(self, keys: Sequence[ClipKey], size: int, spec: InputSpec | None = None) -> Iterator[ClipBatch]:
        """Yield the clips of ``keys``, in order, ``size`` at a time; the last batch may be smaller."""
        for start in range(0, len(keys), size):
            yield self.batch(keys[start : start + size], spec)

    def _part(self, recording: str, window: Window) -> tuple[npt.NDArray[Any], ...]:
        regions = self.regions(recording, window.content).astype(np.int32)
        return self.pixels(recording, window.content), self.transforms(recording, window.content), regions


def _rows(path: Path, numbers: npt.ArrayLike) -> npt.NDArray[Any]:
    """Return some rows of a stored array; each run of neighbours is read at once."""
    wanted, places = np.unique(np.asarray(numbers, np.int64), return_inverse=True)
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1)
    rows = np.concatenate([read_rows(path, int(run[0]), int(run[-1]) + 1) for run in runs])
    if len(rows) != len(wanted):
        raise DataError(f"It has no row {int(wanted[-1])}.", where=str(path), hint="Prepare the recording again.")
    chosen: npt.NDArray[Any] = rows[places]
    return chosen


class _Named:
    """Says in which video an error happened."""

    def __init__(self, item: PreparedRecording) -> None:
        self.where = str(item.recording.video)

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, MienError) and error.where is None:
            error.where = self.where
