"""The data set of one animated face."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from mien.errors import DataError, MienError, PluginError, nearest
from mien.interfaces import Dataset
from mien.interfaces.planted import Strengths
from mien.progress import Progress
from mien.types import ByteArray, DatasetListing, FloatArray, Recording
from mien_plugins.datasets.animated_face.names import NAMES

if TYPE_CHECKING:
    from mien_plugins.datasets.animated_face.files import RenderTask
    from mien_plugins.datasets.animated_face.plan import RecordingPlan
    from mien_plugins.datasets.animated_face.renderer import Renderer

log = logging.getLogger(__name__)

_MOST_PROCESSES = 8
_TASKS_A_PROCESS = 4  # starting one costs about as much as rendering four recordings


class AnimatedFace(Dataset):
    """Videos of one real face, animated by known Action Units.

    All ten Action Units go on and off, independently of each other; the label is a weighted mean of chosen
    ones, the others distract.  What a network should look at is therefore known.  Participants are warps
    and colourings of one portrait; their age and group are covariates on which nothing depends.

    With ``label_kind: dynamics`` all Action Units come and go in an even rhythm, the chosen ones at one speed,
    which is the label, the others at the slowest.  Every recording then holds the same intensities, each as often, so
    that no single frame tells anything of the label.

    With ``label_level: participant`` all recordings of a participant share the label, and the participants of
    each side spread evenly over its range.

    Beside each video in the folder lie the planted Action Units (OpenFace's CSV) and the exact landmarks
    (``.npy``, ``(T, 478, 2)`` float32 pixels); ``manifest.csv`` lists all, for the data set ``manifest``.
    """

    participants_are: ClassVar[str] = (
        "warps of one portrait: one identity, animated; fit for testing explanations, not for identity generalisation"
    )

    participants: int = Field(30, ge=1, description="How many.")
    test_participants: int = Field(6, ge=0, description="Of them, held out for the test (the last ones).")
    validation_participants: int = Field(0, ge=0, description="Of them, for early stopping.")
    recordings_per_participant: int = Field(8, ge=1)
    frames: int = Field(32, ge=1, description="Of a recording.")
    rate: float = Field(25.0, gt=0, description="Frames a second.")
    size: int = Field(256, ge=64, le=1024, description="Side of the square frames, pixels.")
    label: dict[str, float] = Field(
        default_factory=lambda: {"AU12": 1.0},
        description="Weights of the Action Units whose mean intensity over the recording makes the label; for dynamics "
        "their signs matter alone: those of negative weight slow down as the label rises.",
    )
    label_kind: Literal["level", "dynamics"] = Field(
        "level",
        description="What of the Action Units makes the label: their mean intensity, or the speed at which they "
        "come and go, which no single frame shows.",
    )
    label_level: Literal["recording", "participant"] = Field(
        "recording",
        description="Whose label it is: each recording has its own, or all of a participant share one: the share of "
        "time that is planned for the Action Units, or their planned speed.",
    )
    label_range: tuple[float, float] = Field(
        (0.0, 63.0), description="The label at no and full intensity; for dynamics at the slowest and fastest."
    )
    cycle: float = Field(
        0.64,
        gt=0,
        description="Seconds from one onset of an AU to the next, about; for dynamics at the slowest speed, the "
        "fastest is four times that.",
    )
    onset: float = Field(
        0.16, ge=0, description="Seconds that an Action Unit takes to come, and to go; not for dynamics."
    )
    look: Literal["studio", "evening", "webcam"] = Field(
        "studio",
        description="How the set is filmed: as the portrait was, or in other light, from further away, before another "
        "backdrop, with noise, blur and coarser compression.",
    )
    badge: Literal["none", "cue", "confounded", "shuffled"] = Field(
        "none",
        description="A badge beside the head whose brightness shows: a label that no Action Unit shows (cue), "
        "the label of the Action Units (confounded), or another recording's label (shuffled).",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1)

    @field_validator("label")
    @classmethod
    def _known_units(cls, label: dict[str, float]) -> dict[str, float]:
        for name in label:
            if name not in NAMES:
                raise ValueError(f"the Action Unit '{name}' cannot be planted. {nearest(name, NAMES)}")
        if not any(label.values()):
            raise ValueError("at least one Action Unit needs a weight other than 0")
        return label

    @model_validator(mode="after")
    def _enough_participants(self) -> AnimatedFace:
        if self.test_participants + self.validation_participants >= self.participants:
            raise ValueError("no participant is left for training")
        if self.label_range[0] >= self.label_range[1]:
            raise ValueError("label_range: the first value must be the smaller one")
        return self

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return three participants with a short video each."""
        return {
            "participants": 3,
            "test_participants": 1,
            "recordings_per_participant": 1,
            "frames": 8,
            "size": 128,
        }

    def recordings(self, folder: Path, progress: Progress) -> DatasetListing:
        """Return the recordings, rendering those that the folder does not hold yet.

        Raises
        ------
        DataError
            When a file cannot be written.
        """
        from mien_plugins.datasets.animated_face.files import (
            RecordingFiles,
            RenderTask,
            make_folders,
            manifest_table,
            written,
        )
        from mien_plugins.datasets.animated_face.scene import SCENES

        plans = self.plan()
        recordings = [self._recording(plan, folder) for plan in plans]
        make_folders(folder)
        todo = [
            RenderTask(folder, plan, self.size, self.rate, SCENES[self.look])
            for plan in plans
            if not RecordingFiles.of(folder, plan.id).complete
        ]
        if todo:
            _render(todo, progress)
        with written(folder / "manifest.csv") as stream:
            stream.write(manifest_table(recordings, folder).encode())
        return DatasetListing(recordings)

    def _recording(self, plan: RecordingPlan, folder: Path) -> Recording:
        from mien_plugins.datasets.animated_face.files import RecordingFiles

        files = RecordingFiles.of(folder, plan.id)
        return Recording(
            id=plan.id,
            participant=plan.participant,
            video=files.video,
            label=plan.label,
            split=plan.split,
            covariates=plan.covariates,
            action_units=files.action_units,
            consent=True,
        )

    def plan(self) -> list[RecordingPlan]:
        """Return what is rendered: every recording's Action Units, poses, label and split."""
        from mien_plugins.datasets.animated_face.plan import plan

        return plan(self)

    def renderer(self, participant: int, badge: float | None = None) -> Renderer:
        """Return the renderer of a participant, counted from 0."""
        from mien_plugins.datasets.animated_face.look import draw_look
        from mien_plugins.datasets.animated_face.renderer import Renderer
        from mien_plugins.datasets.animated_face.scene import SCENES

        return Renderer(draw_look(self.seed, participant), self.size, badge, scene=SCENES[self.look])

    def truth_map(self, au: str, participant: int = 0) -> FloatArray:
        """Return where an Action Unit shows on a participant: ``|render(AU = 1) - render(AU = 0)|``.

        Returns
        -------
        ndarray of float32, shape (size, size)
            Grey levels, 0 to 255; the head as in the portrait.
        """
        from mien_plugins.datasets.animated_face.truth import truth_map

        return truth_map(self.renderer(participant), au)

    @property
    def planted_units(self) -> tuple[str, ...]:
        """The ten Action Units, in the order of `intensities`."""
        return NAMES

    def intensities(self, recording: str) -> FloatArray:
        """Return how strongly each Action Unit shows in each frame, ``(T, 10)``, 0 to 1.

        Raises
        ------
        DataError
            When there is no such recording.
        """
        from mien_plugins.datasets.animated_face.again import intensities

        return intensities(self, recording)

    def render(self, recording: str, frames: Sequence[int], units: Strengths, *, neutral: bool = False) -> ByteArray:
        """Return frames of a recording again, with some Action Units set (see `mien.interfaces.PlantedTruth`).

        Rendering is exact: the same person, pose, light and badge.  The camera's blur and noise (looks other than
        ``studio``) and the video's compression are left out.

        Raises
        ------
        DataError
            When there is no such recording or frame, or the intensities are not as many as the frames.
        ConfigError
            When there is no such Action Unit.
        """
        from mien_plugins.datasets.animated_face.again import render

        return render(self, recording, frames, units, neutral)

    @property
    def landmark_scheme(self) -> str:
        """MediaPipe's 478 points."""
        return "mediapipe_478"

    def planned(self) -> Sequence[Recording]:
        """Return all recordings without rendering them; the paths are relative to the data set's folder."""
        return [self._recording(plan, Path()) for plan in self.plan()]

    def landmarks(
        self, recording: str, frames: Sequence[int], units: Strengths, *, neutral: bool = False
    ) -> FloatArray:
        """Return the exact landmarks of what `render` gives for the same arguments, ``(len(frames), 478, 2)``.

        Raises
        ------
        DataError, ConfigError
            As `render` does.
        """
        from mien_plugins.datasets.animated_face.again import landmarks

        return landmarks(self, recording, frames, units, neutral)


def _render(tasks: list[RenderTask], progress: Progress) -> None:
    """Render in several processes; in this one where none can be started, as in an unguarded script."""
    processes = min(_processors(), _MOST_PROCESSES, max(1, len(tasks) // _TASKS_A_PROCESS))
    frames = sum(len(task.plan.poses) for task in tasks)
    with progress.task("rendering the animated face", frames, "frames") as bar:
        try:
            _render_with(tasks, processes, bar)
        except PluginError as error:
            if processes == 1:
                raise
            log.warning("rendering goes on in one process: %s", error)
            _render_with(tasks, 1, bar)


def _render_with(tasks: list[RenderTask], processes: int, bar: Any) -> None:
    from mien.parallel import run_tasks
    from mien_plugins.datasets.animated_face.files import render_recording

    failures: list[MienError] = []
    for outcome in run_tasks(
        render_recording, tasks, workers=processes, on_advance=lambda index, amount: bar.advance(amount)
    ):
        if outcome.error is not None:
            failures.append(outcome.error)
            break
    if failures:
        raise DataError(f"The animated face cannot be rendered: {failures[0]}") from failures[0]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
