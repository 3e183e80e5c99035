"""The step from a video and its face track to crops, streamed to files."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from mien.errors import DataError
from mien.interfaces import Cropper
from mien.promises import at_work, broken
from mien.steps.track import load_track
from mien.store.arrays import ArrayWriter, read_rows, row_count
from mien.types import Crops, LandmarkScheme, Recording
from mien.video.reader import read_frames

_ARRAYS = ("data", "transforms", "valid")
_INFO = "crop.json"


def crop_recording(
    recording: Recording,
    track_folder: Path,
    scheme: LandmarkScheme,
    cropper: Cropper,
    folder: Path,
    report: Callable[[int], None] | None = None,
) -> None:
    """Cut the network's view out of every frame and write it into ``folder``, which exists.

    The video is decoded a second time and the track read beside it: neither memory nor time per frame grows
    with the length of the video.  Written are ``data.npy``, ``transforms.npy``, ``valid.npy`` (the fields
    of `mien.types.Crops`) and ``crop.json``.

    Parameters
    ----------
    track_folder : Path
        What `mien.steps.track.track_recording` wrote for the same video.
    scheme : LandmarkScheme
        Of the track's landmarks.
    report : callable, optional
        Told how many further frames are done, after each batch.

    Raises
    ------
    DataError
        When the video cannot be read, has another number of frames than the track, or no frame could be
        cropped; what lies in ``folder`` is then void.
    """
    tracked, done, valid = row_count(track_folder / "times.npy"), 0, 0
    with ExitStack() as stack:
        writers: dict[str, ArrayWriter] = {}
        for frames, _ in read_frames(recording.video):
            track = load_track(track_folder, slice(done, done + len(frames)))
            if len(track) < len(frames):
                raise _mismatch(recording, f"more than {done + len(track)}", tracked)
            with at_work(cropper, "crop"):
                crops = cropper.crop(frames, track, scheme)
            _check(cropper, crops, len(frames))
            _write(crops, folder, writers, stack)
            done, valid = done + len(crops), valid + int(crops.valid.sum())
            if report is not None:
                report(len(crops))
        # Still inside: an error removes the files.
        if done < tracked:
            raise _mismatch(recording, str(done), tracked)
        if not valid:
            raise DataError("The face could not be cropped in any frame.", where=str(recording.video))
    about = {
        "layout": cropper.layout,
        "frames": done,
        "valid_frames": valid,
        "scheme": scheme.id,
        "cropper": cropper.provenance(),
    }
    (folder / _INFO).write_text(json.dumps(about, indent=1), encoding="utf-8")


def _check(cropper: Cropper, crops: object, frames: int) -> None:
    """Raise `PluginError` when a cropper's answer has not the shapes that it promised."""
    promised = "Crops hold for each frame its data, an affine for each tile (T, K, 2, 3), and whether it is valid"
    if not isinstance(crops, Crops):
        raise broken(cropper, f"It returned {type(crops).__name__}, not Crops.", promised)
    video = cropper.layout == "video"
    data = (frames, cropper.height, cropper.width, 3) if video else (frames, *np.shape(crops.data)[1:2], 2)
    transforms = (frames, len(cropper.tiles), 2, 3)
    for name, shape in (("data", data), ("transforms", transforms), ("valid", (frames,))):
        found = np.shape(getattr(crops, name))
        if found != shape:
            raise broken(cropper, f"The {name} of {frames} frames has the shape {found}, not {shape}.", promised)
    kinds = {"data": "uint8" if video else "float", "transforms": "float", "valid": "bool"}
    for name, kind in kinds.items():
        dtype = np.asarray(getattr(crops, name)).dtype
        if not (dtype == kind or (kind == "float" and dtype.kind == "f")):
            raise broken(cropper, f"The {name} of frames is of {dtype}, not {kind}.", promised)
    if not np.isfinite(crops.transforms[crops.valid]).all():
        raise broken(cropper, "The transforms of valid frames hold NaN or infinite values.", promised)
    if not video and not np.isfinite(crops.data[crops.valid]).all():
        raise broken(cropper, "The data of valid frames holds NaN or infinite values.", promised)


def load_crops(folder: Path, rows: slice | None = None) -> Crops:
    """Return stored crops, or the rows ``start:stop`` of them; only these are read.

    Raises
    ------
    DataError
        When a file is absent or damaged.
    ValueError
        When the slice has a step.
    """
    if rows is not None and rows.step not in (None, 1):
        raise ValueError("crops are read in runs of frames: slices without a step")
    start, stop, _ = (rows or slice(None)).indices(row_count(folder / "valid.npy"))
    return Crops(**{name: read_rows(folder / f"{name}.npy", start, max(start, stop)) for name in _ARRAYS})


def _write(crops: Crops, folder: Path, writers: dict[str, ArrayWriter], stack: ExitStack) -> None:
    values: dict[str, Any] = {name: np.asarray(getattr(crops, name)) for name in _ARRAYS}
    if not writers:
        for name, array in values.items():
            path = folder / f"{name}.npy"
            writers[name] = stack.enter_context(ArrayWriter(path, array.dtype, array.shape[1:]))
    for name, array in values.items():
        writers[name].append(array)


def _mismatch(recording: Recording, frames: str, tracked: int) -> DataError:
    return DataError(
        f"The video has {frames} frames, but its face track has {tracked}.",
        where=str(recording.video),
        hint="The file changed since it was tracked; run again.",
    )
