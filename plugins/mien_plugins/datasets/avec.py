"""The depression challenges AVEC 2013 and 2014, as their organisers lay them out on disk."""

from __future__ import annotations

import difflib
import logging
import re
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from mien.errors import DataError
from mien.interfaces import ConfigPath, Dataset
from mien.progress import Progress
from mien.types import DatasetListing, Exclusion, Recording, Split
from mien_plugins.datasets.avec_files import (
    PART_FOLDERS,
    BadLabel,
    Found,
    LabelFiles,
    Part,
    Tree,
    files_by_stem,
    read_label,
    read_tree,
)

log = logging.getLogger(__name__)

Task = Literal["Freeform", "Northwind"]

UnitFiles = Mapping[tuple[Part | None, str], Path]
"""Files of Action Units by part and name without suffix."""

_LARGEST = 63.0  # of BDI-II
_SHOWN = 8  # names in a hint
_OFFICIAL: Mapping[Part, Split | None] = {"training": "train", "development": "validation", "testing": "test"}


@dataclass(frozen=True)
class _Video:
    """A video whose name says whose it is; ``task`` is empty where a session has one video."""

    found: Found
    part: Part
    session: str
    task: str

    @property
    def participant(self) -> str:
        return self.session.partition("_")[0]

    @property
    def id(self) -> str:
        return f"{self.session}_{self.task}" if self.task else self.session


class _Avec(Dataset):
    """What both challenges share: parts, sessions, and label files of one number."""

    folder: ConfigPath = Field(description="Where the challenge was unpacked, e.g. the folder of all its parts.")
    labels: ConfigPath | None = Field(
        None, description="Where the label files (203_1_Depression.csv) are; none: somewhere in 'folder'."
    )
    parts: dict[Part, Split | None] = Field(
        default_factory=lambda: dict(_OFFICIAL),
        description="The official parts to use, and what for; null leaves it to mien, which keeps persons apart. "
        "Without the labels of the test: {training: train, development: test}.",
    )
    action_units: ConfigPath | None = Field(
        None, description="Folder of OpenFace's CSV files, each named as its video: 203_1_Freeform_video.csv."
    )

    video_name: ClassVar[re.Pattern[str]]
    example: ClassVar[str]
    """A video's path as the organisers give it, with ``{part}`` for the folder of the part."""
    other: ClassVar[tuple[re.Pattern[str], str]]
    """Names of the other challenge's videos, and its id."""

    @field_validator("parts")
    @classmethod
    def _some(cls, parts: dict[Part, Split | None]) -> dict[Part, Split | None]:
        if not parts:
            raise ValueError("at least one part")
        return parts

    challenge: ClassVar[Literal[2013, 2014]]

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return a tree of two short videos in each part."""
        from mien.testing.avec import avec_tree
        from mien.testing.clips import drawn_frames, write_video

        video = write_video(folder / "any.mp4", drawn_frames(6, 64))
        splits: tuple[Split, ...] = ("train", "validation", "test")
        people = [Recording(f"{s}{turn}", s, video, label=turn, split=s) for s in splits for turn in range(2)]
        avec_tree(people, folder / "tree", challenge=cls.challenge)
        return {"folder": folder / "tree"}

    @property
    @abstractmethod
    def wanted(self) -> Sequence[str]:
        """The tasks to use; one empty name where a session has one video."""

    def recordings(self, folder: Path, progress: Progress) -> DatasetListing:
        """Return the recordings part by part; what lacks its label or its video is set aside.

        Raises
        ------
        DataError
            When a part has no video or no label file at all: the error says what was expected where.
        """
        tree = read_tree(self.folder)
        labels = tree.labels if self.labels is None else read_tree(self.labels).labels
        videos, exclusions = self._chosen(tree)
        self._refuse_empty_parts(tree, videos, labels)
        reader = _Reader(self, labels, self._action_units(videos), _repeated(videos))
        recordings = []
        for video in videos:
            try:
                recordings.append(reader.read(video))
            except BadLabel as reason:
                exclusions.append(_set_aside(reader.id(video), video.participant, str(reason), video.found.path))
        exclusions += self._labels_without_video(tree, labels)
        return DatasetListing(recordings, exclusions)

    def _named(self, found: Found) -> _Video | None:
        """Return whose video it is; None where its name or its folders do not tell."""
        name = self.video_name.fullmatch(found.path.stem)
        if name is None or found.part is None:
            return None
        task = (name.groupdict().get("task") or "").capitalize()
        return _Video(found, found.part, f"{name['person']}_{name['sitting']}", task)

    def _chosen(self, tree: Tree) -> tuple[list[_Video], list[Exclusion]]:
        """Return the chosen parts' videos of the chosen tasks, and those that nothing can be told of, and doubles."""
        videos: dict[tuple[Part, str], _Video] = {}
        exclusions = []
        for found in tree.videos:
            video = self._named(found)
            if video is None:
                if found.part is None or found.part in self.parts:
                    exclusions.append(_set_aside(found.path.stem, "", self._why_unnamed(found), found.path))
                continue
            if video.part not in self.parts or video.task not in self.wanted:
                continue
            first = videos.setdefault((video.part, video.id), video)
            if first is not video:
                reason = f"{first.found.relative} is a video of the same session and task"
                exclusions.append(_set_aside(video.id, video.participant, reason, found.path))
        order = list(self.parts)
        return sorted(videos.values(), key=lambda video: order.index(video.part)), exclusions

    def _why_unnamed(self, found: Found) -> str:
        if found.part is None:
            return f"it lies in no part's folder ({', '.join(PART_FOLDERS.values())})"
        return f"its name is not like {Path(self.example).name}"

    def _refuse_empty_parts(self, tree: Tree, videos: Sequence[_Video], labels: LabelFiles) -> None:
        for part in self.parts:
            own = [video for video in videos if video.part == part]
            if not own:
                raise self._no_video(part, tree)
            if not any(_labels_of(video, labels) for video in own):
                raise self._no_label(part, own[0])

    def _no_video(self, part: Part, tree: Tree) -> DataError:
        pattern, other = self.other
        if any(pattern.fullmatch(found.path.stem) for found in tree.videos):
            hint = f"Its videos are named as those of the data set '{other}'."
        else:
            hint = _nearest_folder(PART_FOLDERS[part], tree.folders)
        return DataError(
            f"The part '{part}' has no videos: expected e.g. {self.example.format(part=PART_FOLDERS[part])} in it.",
            where=str(self.folder),
            hint=hint,
        )

    def _no_label(self, part: Part, video: _Video) -> DataError:
        name = f"{PART_FOLDERS[part]}_DepressionLabels/{video.session}_Depression.csv"
        return DataError(
            f"The part '{part}' has no label files: expected e.g. {name} below it.",
            where=str(self.labels or self.folder),
            hint="Set 'labels' to the folder that holds them. Without the labels of the test, use the "
            "development part for it: 'parts: {training: train, development: test}'.",
        )

    def _action_units(self, videos: Sequence[_Video]) -> UnitFiles:
        if self.action_units is None:
            return {}
        units = files_by_stem(self.action_units)
        without = [video.id for video in videos if _units_of(video, units) is None]
        if len(without) == len(videos):
            raise DataError(
                f"It has no Action Units of any video: expected e.g. {videos[0].found.path.stem}.csv in it.",
                where=str(self.action_units),
                hint=_nearest(videos[0].found.path.stem, {stem for _, stem in units}, "files"),
            )
        if without:
            log.warning(
                "%d of %d videos have no file of Action Units in %s: %s",
                len(without),
                len(videos),
                self.action_units,
                ", ".join(without),
            )
        return units

    def _labels_without_video(self, tree: Tree, labels: LabelFiles) -> Iterator[Exclusion]:
        named = [video for video in map(self._named, tree.videos) if video is not None]
        have = {(part, video.session, video.task) for video in named for part in (video.part, None)}
        for (part, session), files in labels.items():
            if part is not None and part not in self.parts:
                continue
            for task in self.wanted:
                if (part, session, task) not in have:
                    id_ = f"{session}_{task}" if task else session
                    which = f" of the task {task}" if task else ""
                    reason = f"the label file {files[0].relative} has no video{which}"
                    yield _set_aside(id_, session.partition("_")[0], reason)


class _Reader:
    """Makes recordings of videos; sessions of one number in several parts get the part's name."""

    def __init__(self, config: _Avec, labels: LabelFiles, units: UnitFiles, repeated: set[str]) -> None:
        self._config = config
        self._labels = labels
        self._units = units
        self._repeated = repeated

    def id(self, video: _Video) -> str:
        return video.id + self._suffix(video)

    def _suffix(self, video: _Video) -> str:
        return f"_{video.part}" if video.session in self._repeated else ""

    def read(self, video: _Video) -> Recording:
        files = _labels_of(video, self._labels)
        if not files:
            raise BadLabel(f"it has no label: {video.session}_Depression.csv is not among the label files")
        return Recording(
            id=self.id(video),
            participant=video.participant,
            video=video.found.path,
            label=read_label(files, _LARGEST),
            split=self._config.parts[video.part],
            covariates={"task": video.task} if video.task else {},
            action_units=_units_of(video, self._units),
            session=video.session + self._suffix(video),
        )


def _repeated(videos: Sequence[_Video]) -> set[str]:
    parts: dict[str, set[Part]] = {}
    for video in videos:
        parts.setdefault(video.session, set()).add(video.part)
    return {session for session, where in parts.items() if len(where) > 1}


def _labels_of(video: _Video, labels: LabelFiles) -> Sequence[Found]:
    return labels.get((video.part, video.session)) or labels.get((None, video.session), [])


def _units_of(video: _Video, units: UnitFiles) -> Path | None:
    keys = [(part, stem) for part in (video.part, None) for stem in (video.found.path.stem, video.id)]
    return next((units[key] for key in keys if key in units), None)


def _nearest_folder(wanted: str, folders: Sequence[Path]) -> str:
    hint = _nearest(wanted, {name for folder in folders for name in folder.parts}, "folders")
    return f"{hint} 'folder' is the one that holds the parts; leave out of 'parts' those that are not there."


def _nearest(wanted: str, names: Collection[str], what: str) -> str:
    """Return a hint that names the nearest of many names, or the first few."""
    close = difflib.get_close_matches(wanted, names, n=1)
    if close:
        return f"The nearest that is there: '{close[0]}'."
    shown = sorted(names)[:_SHOWN] + (["..."] if len(names) > _SHOWN else [])
    return f"Its {what}: {', '.join(shown)}." if shown else f"It has no {what}."


def _set_aside(id_: str, participant: str, reason: str, video: Path | None = None) -> Exclusion:
    return Exclusion(id_, participant, "dataset", reason, str(video or ""))


_SITTING = r"(?P<person>\d+)_(?P<sitting>\d+)"
_NAME_2014 = re.compile(rf"{_SITTING}_(?P<task>Freeform|Northwind)(_\w+)?", re.IGNORECASE | re.ASCII)
_NAME_2013 = re.compile(rf"{_SITTING}(_(?!Freeform|Northwind)\w+)?", re.IGNORECASE | re.ASCII)


class Avec2014(_Avec):
    """AVEC 2014: videos of two tasks a session, and the session's BDI-II score.

    Valstar et al. 2014.  ``203_1`` is the first session of person 203.  Persons come back for further sessions, in
    other parts too: the person is the participant, the session has the score, the task is a covariate.  Both
    trees in use are read, ``Video/Training/Freeform`` and ``train/Freeform``, with the label files anywhere below
    the folder.  The data is under licence: ask its organisers.
    """

    citation: ClassVar[str] = (
        "Valstar et al.: AVEC 2014, 3D Dimensional Affect and Depression Recognition Challenge, AVEC workshop 2014"
    )

    participants_are: ClassVar[str] = "the people of AVEC 2014"
    challenge: ClassVar[Literal[2013, 2014]] = 2014

    tasks: tuple[Task, ...] = Field(("Freeform", "Northwind"), min_length=1, description="The tasks to use.")

    video_name: ClassVar[re.Pattern[str]] = _NAME_2014
    example: ClassVar[str] = "Video/{part}/Freeform/203_1_Freeform_video.mp4"
    other: ClassVar[tuple[re.Pattern[str], str]] = (_NAME_2013, "avec2013")

    @property
    def wanted(self) -> Sequence[str]:
        """The tasks of the configuration."""
        return self.tasks


class Avec2013(_Avec):
    """AVEC 2013: one video a session, and the session's BDI-II score.

    Valstar et al. 2013.  As `Avec2014`, but all of a session is one video, ``203_1_cut_combined.mp4``.
    """

    citation: ClassVar[str] = (
        "Valstar et al.: AVEC 2013, The Continuous Audio/Visual Emotion and Depression Recognition "
        "Challenge, AVEC workshop 2013"
    )

    participants_are: ClassVar[str] = "the people of AVEC 2013"
    challenge: ClassVar[Literal[2013, 2014]] = 2013

    video_name: ClassVar[re.Pattern[str]] = _NAME_2013
    example: ClassVar[str] = "{part}/203_1_cut_combined.mp4"
    other: ClassVar[tuple[re.Pattern[str], str]] = (_NAME_2014, "avec2014")

    @property
    def wanted(self) -> Sequence[str]:
        """The one video of a session."""
        return ("",)
