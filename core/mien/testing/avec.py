"""Lays recordings out as the depression challenges AVEC 2013 and 2014 do, whose own data is under licence."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from mien.types import Recording

Layout = Literal["long", "short"]

_TASKS = ("Freeform", "Northwind")
_FIRST_PERSON = 203
_LONG = {"train": "Training", "validation": "Development", "test": "Testing", None: "Training"}
_SHORT = {"train": "train", "validation": "dev", "test": "test", None: "train"}


def avec_tree(
    recordings: Sequence[Recording], folder: Path, challenge: Literal[2013, 2014] = 2014, layout: Layout = "long"
) -> Mapping[str, str]:
    """Copy recordings into a challenge's tree, with label files of one whole number.

    Persons are counted from 203.  In 2014's tree two recordings of a person make a session, Freeform and Northwind,
    whose score is their mean; in 2013's each is a session.  Files of Action Units go to ``openface/``, named as their
    videos.

    Parameters
    ----------
    recordings : sequence of Recording
        With labels; their split chooses the part.
    layout : {"long", "short"}
        ``AVEC2014_AudioVisual/Video/Training`` with ``Final_Labels``, or ``train`` with ``label``.

    Returns
    -------
    mapping of str to str
        The name of each recording's video in the tree, without suffix, by the recording's id.
    """
    stems = {}
    for session, members in _sessions(recordings, len(_TASKS) if challenge == 2014 else 1):
        scores = [recording.label for recording in members if recording.label is not None]
        label = _label_folder(folder, members[0], layout) / f"{session}_Depression.csv"
        label.parent.mkdir(parents=True, exist_ok=True)
        label.write_text(f"{sum(scores) / len(scores):.0f}\n")
        for task, recording in zip(_TASKS, members, strict=False):
            stem = f"{session}_{task}_video" if challenge == 2014 else f"{session}_cut_combined"
            stems[recording.id] = stem
            place = _video_folder(folder, recording, layout, challenge)
            _copy(recording.video, (place / task if challenge == 2014 else place) / f"{stem}.mp4")
            if recording.action_units is not None:
                _copy(recording.action_units, folder / "openface" / f"{stem}.csv")
    return stems


def _sessions(recordings: Iterable[Recording], size: int) -> Iterator[tuple[str, list[Recording]]]:
    people: dict[str, list[Recording]] = {}
    for recording in recordings:
        people.setdefault(recording.participant, []).append(recording)
    for person, own in enumerate(people.values(), start=_FIRST_PERSON):
        for number, start in enumerate(range(0, len(own), size), start=1):
            yield f"{person}_{number}", own[start : start + size]


def _video_folder(folder: Path, recording: Recording, layout: Layout, challenge: int) -> Path:
    if layout == "short":
        return folder / _SHORT[recording.split]
    part = _LONG[recording.split]
    return folder / "AVEC2014_AudioVisual" / "Video" / part if challenge == 2014 else folder / part


def _label_folder(folder: Path, recording: Recording, layout: Layout) -> Path:
    if layout == "short":
        return folder / "label" / "DepressionLabels"
    part = _LONG[recording.split]
    if part == "Testing":
        return folder / "AVEC2014_Labels_Testset" / part / "DepressionLabels"
    return folder / "Final_Labels" / f"{part}_DepressionLabels"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
