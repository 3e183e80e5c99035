"""The data set of animated expressions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field, model_validator

from mien import ConfigError, DataError, Dataset, DatasetListing, PlantedLandmarks, Progress, Recording, nearest
from mien_landmark_emotion.courses import Manner, course
from mien_landmark_emotion.emotions import EMOTIONS

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Strengths = Mapping[str, float | npt.NDArray[np.floating[Any]]]


@dataclass(frozen=True)
class Expression:
    """One recording, before it is rendered.

    Attributes
    ----------
    recording : Recording
        With its label and covariates; the path of its video is relative to the data set's folder.
    emotion : str
    intensity : float
        At the apex, 0 to 1.
    units : ndarray, shape (T, U)
        Intensity of each Action Unit in each frame.
    """

    recording: Recording
    emotion: str
    intensity: float
    units: npt.NDArray[np.float64]


class AnimatedExpressions(Dataset):
    """Videos of one real face that shows six basic emotions, as EMFACS's prototypes of Action Units.

    Each recording goes from the neutral face to the apex of one emotion, of an intensity of its own, while the head
    moves; weaker Action Units that do not belong to it, and blinks, come between.  The label is the emotion's place in
    the alphabet.  Faces and poses are those of another installed data set (``renderer``), which has to know its
    landmarks.

    The renderer of ``animated_face`` has no AU 5, 7, 16, 20 and 23.  Anger is AU 4 alone, fear AU 1+2+4+26, surprise
    AU 1+2+26, disgust AU 9+15; happiness (AU 6+12) and sadness (AU 1+4+15) are whole.
    """

    participants_are: ClassVar[str] = (
        "warps of one portrait: one identity, animated; prototypes that were planted, not emotions that were felt"
    )
    citation: ClassVar[str] = "Friesen, Ekman: EMFACS-7: Emotional Facial Action Coding System, 1983"

    participants: int = Field(30, ge=1, description="How many.")
    test_participants: int = Field(8, ge=0, description="Of them, held out for the test (the last ones).")
    validation_participants: int = Field(0, ge=0, description="Of them, for early stopping.")
    repeats: int = Field(2, ge=1, description="Recordings of each emotion by each participant.")
    frames: int = Field(16, ge=2, description="Of a recording.")
    rate: float = Field(12.5, gt=0, description="Frames a second.")
    size: int = Field(256, ge=64, le=1024, description="Side of the square frames, pixels.")
    intensity: tuple[float, float] = Field((0.3, 1.0), description="Of an expression at its apex: least and most.")
    distractors: float = Field(
        0.3, ge=0, le=1, description="Largest intensity of two Action Units that do not belong to the emotion."
    )
    blink: float = Field(0.5, ge=0, le=1, description="Probability of a blink.")
    renderer: str = Field("animated_face", description="The data set that the faces are rendered with.")
    seed: int = Field(0, ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _sensible(self) -> AnimatedExpressions:
        if self.test_participants + self.validation_participants >= self.participants:
            raise ValueError("no participant is left for training")
        if not 0 < self.intensity[0] <= self.intensity[1] <= 1:
            raise ValueError("intensity: two values above 0 and up to 1, the smaller one first")
        return self

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return two participants with a short video of each emotion."""
        return {"participants": 2, "test_participants": 1, "repeats": 1, "frames": 4, "size": 128}

    def recordings(self, folder: Path, progress: Progress) -> DatasetListing:
        """Return the recordings, rendering those that the folder does not hold yet.

        Raises
        ------
        DataError
            When a video cannot be written.
        ConfigError
            When the renderer is no data set that knows its landmarks.
        """
        planned = [one.recording for one in self.plan().values()]
        listed = [replace(recording, video=folder / recording.video) for recording in planned]
        todo = [recording for recording in listed if not recording.video.is_file()]
        if todo:
            try:
                todo[0].video.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                message = f"The folder cannot be made: {error.strerror or error}."
                raise DataError(message, where=str(folder)) from error
            with progress.task("rendering expressions", len(todo) * self.frames, "frames") as bar:
                for recording in todo:
                    self._film(recording)
                    bar.advance(self.frames)
        return DatasetListing(listed)

    def _film(self, recording: Recording) -> None:
        from mien import VideoWriter

        with VideoWriter(recording.video, self.rate, self.size, self.size) as video:
            video.write(self.render(recording.id, range(self.frames), {}))

    def plan(self) -> Mapping[str, Expression]:
        """Return what is rendered, by recording; the same for the same fields."""
        return _plan(type(self), self.model_dump_json())

    @property
    def faces(self) -> PlantedLandmarks:
        """The data set that renders.

        Raises
        ------
        ConfigError
            When it is not there, or does not know its landmarks.
        """
        return _faces(type(self), self.model_dump_json())

    @property
    def planted_units(self) -> tuple[str, ...]:
        """The renderer's Action Units."""
        return self.faces.planted_units

    @property
    def landmark_scheme(self) -> str:
        """The renderer's."""
        return self.faces.landmark_scheme

    def planned(self) -> Sequence[Recording]:
        """Return all recordings without rendering them; the paths are relative to the data set's folder."""
        return [one.recording for one in self.plan().values()]

    def intensities(self, recording: str) -> npt.NDArray[np.float64]:
        """Return how strongly each Action Unit shows in each frame, ``(T, U)``, 0 to 1.

        Raises
        ------
        DataError
            When there is no such recording.
        """
        return self._expression(recording).units.copy()

    def render(
        self, recording: str, frames: Sequence[int], units: Strengths, *, neutral: bool = False
    ) -> npt.NDArray[np.uint8]:
        """Return frames of a recording, with some Action Units set (see `mien.PlantedTruth`)."""
        strengths = self._strengths(recording, frames, units, neutral)
        return self.faces.render(recording, frames, strengths, neutral=True)

    def landmarks(
        self, recording: str, frames: Sequence[int], units: Strengths, *, neutral: bool = False
    ) -> npt.NDArray[np.floating[Any]]:
        """Return the exact landmarks of what `render` gives, ``(len(frames), N, 2)`` float32, source pixels."""
        strengths = self._strengths(recording, frames, units, neutral)
        return self.faces.landmarks(recording, frames, strengths, neutral=True)

    def _strengths(self, recording: str, frames: Sequence[int], units: Strengths, neutral: bool) -> Strengths:
        own = self._expression(recording).units
        for number in frames:
            if not 0 <= number < len(own):
                raise DataError(f"There is no frame {number}; it has {len(own)}.", where=f"recording {recording}")
        planted = {} if neutral else dict(zip(self.planted_units, own[list(frames)].T, strict=True))
        return {**planted, **units}

    def _expression(self, recording: str) -> Expression:
        planned = self.plan()
        if recording not in planned:
            hint = nearest(recording, planned)
            raise DataError(f"There is no recording '{recording}'.", where="animated_expressions", hint=hint)
        return planned[recording]


# By their fields, not inside of the component: there a cache would be part of its equality.
@lru_cache(maxsize=16)
def _faces(kind: type[AnimatedExpressions], fields: str) -> PlantedLandmarks:
    from mien import create

    config = kind.model_validate_json(fields)
    made = create(
        "dataset",
        config.renderer,
        participants=config.participants,
        test_participants=config.test_participants,
        validation_participants=config.validation_participants,
        recordings_per_participant=config.repeats * len(EMOTIONS),
        frames=config.frames,
        rate=config.rate,
        size=config.size,
        seed=config.seed,
    )
    if not isinstance(made, PlantedLandmarks):
        raise ConfigError(
            f"The data set '{config.renderer}' does not know the landmarks of faces that it renders.",
            where="renderer",
            hint="Choose one that does, like 'animated_face'.",
        )
    return made


@lru_cache(maxsize=16)
def _plan(kind: type[AnimatedExpressions], fields: str) -> Mapping[str, Expression]:
    import numpy as np

    config, faces = kind.model_validate_json(fields), _faces(kind, fields)
    manner = Manner(config.intensity, config.distractors, config.blink)
    planned: dict[str, Expression] = {}
    turns: dict[str, int] = {}
    for person in faces.planned():
        turn = turns[person.participant] = turns.get(person.participant, -1) + 1
        emotion = EMOTIONS[turn % len(EMOTIONS)]
        random = np.random.default_rng([config.seed, 11, len(turns), turn])
        units, intensity = course(random, emotion, faces.planted_units, config.frames, manner)
        recording = replace(
            person,
            video=Path("videos") / f"{person.id}.mp4",
            label=float(EMOTIONS.index(emotion)),
            covariates={**person.covariates, "emotion": emotion, "intensity": round(intensity, 3)},
            action_units=None,
        )
        planned[person.id] = Expression(recording, emotion, intensity, units)
    return planned
