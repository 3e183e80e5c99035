"""Whether relevance lies where people look."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from mien import Analysis, Analyzer, ConfigPath, RunView, Table, nearest
from mien_gaze.settings import SyntheticViewers
from mien_gaze.tables import AGREEMENT, DIFFERENCES, FIXATIONS, PEOPLE, RECORDINGS, WINDOWS

if TYPE_CHECKING:
    import pandas as pd

    from mien import Chart, ClipKey
    from mien_gaze.gathering import Gathered

_FILE_COLUMNS = ("recording", "time", "x", "y", "duration", "viewer")


class GazeAgreement(Analyzer):
    """Agreement of relevance maps with human fixations: NSS, CC, SIM, KL, AUC-Judd, shuffled AUC, beside baselines.

    Fixations (time in seconds, x and y in pixels of the video as displayed, duration in seconds, viewer) come from a
    CSV file with a column ``recording``, or from a folder with one CSV file a recording.  Each is carried onto the
    crop by the transform of the frame that was shown then.  What cannot be used is counted by its reason in the table
    ``gaze_fixations`` and in the report.

    Of each explained window, the fixations on the crop are held against the relevance of each method (absolute,
    summed over channels and frames with a face, blurred as the fixations are) and against four baselines: a Gaussian
    at the crop's centre; the face, evenly; the mean gaze on the other participants' faces; and, viewer by viewer, the
    gaze of the other viewers of the same window.  Windows are averaged for each participant, and participants have
    the same weight; intervals are bootstrapped over participants (the people in the videos, not the viewers).

    The shuffled AUC takes as negatives the fixations on all other recordings, at their places on the crop.  In
    aligned crops it asks whether relevance follows gaze beyond where people look on every face.

    Agreement with gaze does not prove an explanation: a network may use what nobody looks at, and people may look
    where nothing is to be learnt.
    """

    citation: ClassVar[str] = (
        "Bylinskii, Judd, Oliva, Torralba, Durand: What do different evaluation metrics tell us about saliency "
        "models?, IEEE Transactions on Pattern Analysis and Machine Intelligence 2019; "
        "Zhang, Tong, Marks, Shan, Cottrell: SUN: A Bayesian framework for saliency using natural statistics, "
        "Journal of Vision 2008"
    )

    tables: ClassVar[tuple[Table, ...]] = (AGREEMENT, DIFFERENCES, PEOPLE, WINDOWS, FIXATIONS, RECORDINGS)

    fixations: ConfigPath | None = Field(
        None,
        description="CSV file with the columns recording, time (s), x, y (pixels of the video), duration (s), viewer; "
        "or a folder with one file a recording, named after its id.",
    )
    synthetic: SyntheticViewers | None = Field(
        None, description="Made-up viewers in place of a file; the report says so everywhere."
    )
    columns: dict[str, str] = Field(
        default_factory=dict, description="Names of the file's columns where they differ, e.g. {time: start_s}."
    )
    sigma: float = Field(1.0, gt=0, description="Standard deviation of the Gaussian around a fixation, in sigma_unit.")
    sigma_unit: Literal["degrees", "pixels"] = Field(
        "degrees", description="Degrees of visual angle, or pixels of the video."
    )
    pixels_per_degree: float | None = Field(
        None, gt=0, description="Pixels of the video in a degree of visual angle; needed for degrees."
    )
    weigh: Literal["count", "duration"] = Field(
        "count", description="Each fixation in a window counts 1, or the time of it that the window holds."
    )
    relevance: Literal["absolute", "positive"] = Field("absolute", description="Which part of the relevance.")
    blur: bool = Field(True, description="Whether relevance is blurred by the Gaussian of the fixations.")
    centre_sigma: float = Field(
        0.25, gt=0, le=2, description="Sigma of the centre baseline, as a fraction of the crop's width and height."
    )
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")
    people: int = Field(3, ge=0, le=20, description="Participants whose mean maps are drawn.")

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, columns: dict[str, str]) -> dict[str, str]:
        for name in columns:
            if name not in _FILE_COLUMNS:
                raise ValueError(f"there is no column '{name}'. {nearest(name, _FILE_COLUMNS)}")
        return columns

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.fixations is None) == (self.synthetic is None):
            raise ValueError("give either 'fixations' (a file or folder) or 'synthetic' (made-up viewers)")
        if self.sigma_unit == "degrees" and self.pixels_per_degree is None:
            raise ValueError(
                "'pixels_per_degree' is needed for a sigma in degrees: it depends on the viewing distance and on how "
                "large the video was shown; or set 'sigma_unit' to pixels"
            )
        return self

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return fields with made-up viewers: no file fits every run."""
        return {"synthetic": {"viewers": 3}, "sigma": 8.0, "sigma_unit": "pixels", "resamples": 100}

    @property
    def sigma_pixels(self) -> float:
        """The Gaussian's standard deviation, pixels of the video."""
        return self.sigma if self.sigma_unit == "pixels" else self.sigma * (self.pixels_per_degree or 1.0)

    def mentions(self) -> Iterable[tuple[str, Literal["method", "source", "region"], str]]:
        """Return the region that made-up viewers look at."""
        return () if self.synthetic is None else (("synthetic.region", "region", self.synthetic.region),)

    def analyze(self, run: RunView) -> Analysis:
        """Return the six tables, the charts, and what was found.

        Raises
        ------
        DataError
            When the fixations cannot be read, or none is on a recording of the run.
        """
        from mien_gaze.gathering import explained_keys, gather

        methods = explained_keys(run)
        keys = list(dict.fromkeys(key for own in methods.values() for key in own))
        if not keys:
            return Analysis(notes=["Relevance is not compared with gaze: no recording was explained."])
        first = next(iter(run.clips(keys[:1])))
        if first.layout != "video":
            return Analysis(notes=["Relevance is not compared with gaze: landmarks are no picture to look at."])
        if first.transforms is None:
            return Analysis(notes=["Relevance is not compared with gaze: the clips do not say where they were cut."])
        fixations, problems = self._fixations(run, [key.recording for key in keys])
        if fixations.empty:
            return Analysis(notes=[*problems, "Relevance is not compared with gaze: there is no fixation."])
        gathered = gather(run, fixations, keys, self.weigh)
        return self._compared(run, methods, gathered, problems)

    def _fixations(self, run: RunView, recordings: Sequence[str]) -> tuple[pd.DataFrame, list[str]]:
        """Return the fixations, and what is to be said of where they are from."""
        import pandas as pd

        from mien_gaze.files import read_fixations
        from mien_gaze.synthetic import synthetic_fixations

        if self.fixations is not None:
            read = read_fixations(self.fixations, self.columns)
            return read.table, list(read.problems)
        assert self.synthetic is not None  # one of the two is given
        made = [
            synthetic_fixations(name, run.track(name), run.scheme, self.synthetic) for name in dict.fromkeys(recordings)
        ]
        region = self.synthetic.region.replace("_", " ")
        said = (
            f"SYNTHETIC: the fixations are made up, of {self.synthetic.viewers} viewers who never were and who look at "
            f"the {region} by construction. They say nothing of how people look."
        )
        return pd.concat(made, ignore_index=True), [said]

    def _compared(
        self, run: RunView, methods: Mapping[str, Sequence[ClipKey]], gathered: Gathered, said: Sequence[str]
    ) -> Analysis:
        import pandas as pd

        from mien_gaze import charts, summing, words
        from mien_gaze.scoring import Maker, score
        from mien_gaze.tables import FATES

        counted = pd.DataFrame(
            [(name, meaning, gathered.fates[name]) for name, meaning in FATES.items()],
            columns=[column.name for column in FIXATIONS.columns],
        )
        tables = {"gaze_fixations": counted, "gaze_recordings": gathered.recordings}
        notes = [*said, *words.of_fixations(gathered)]
        if not gathered.looked:
            return Analysis(tables, notes=[*notes, "Relevance is not compared with gaze: nothing is left."])
        own = {method: set(keys) for method, keys in methods.items()}
        maker = Maker(run, own, self.sigma_pixels, self.blur, self.relevance, self.centre_sigma)
        scored = score(gathered, maker)
        known = [method for method in methods if (scored.windows["map"] == method).any()]
        people = summing.participants(scored.windows)
        agreement = summing.agreement(scored.windows, people, self.resamples, run.seed)
        differences = summing.differences(scored.windows, known, self.resamples, run.seed)
        whose = "people" if self.synthetic is None else "synthetic viewers"
        drawn: list[Chart] = [
            charts.of_maps(scored.maps, known, self.people, whose),
            *charts.of_agreement(agreement, known, whose),
        ]
        tables |= {
            "gaze_agreement": agreement,
            "gaze_differences": differences,
            "gaze_participants": people,
            "gaze_windows": scored.windows,
        }
        notes += [self._how(), *words.found(agreement, differences, known), *words.gaps(scored.windows)]
        remarks = {} if self.synthetic is not None else words.remarks(agreement, differences, known)
        return Analysis(tables, drawn, notes, remarks)

    def _how(self) -> str:
        unit = "degree" if self.sigma == 1 else "degrees"
        degrees = f" ({self.sigma:g} {unit})" if self.sigma_unit == "degrees" else ""
        blurred = "; relevance is blurred alike" if self.blur else "; relevance is not blurred"
        pixels = f"{self.sigma_pixels:g} pixels of the video{degrees}"
        return f"The Gaussian around a fixation has a sigma of {pixels}{blurred}."
