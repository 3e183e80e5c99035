"""The analyzer `manifold`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, field_validator

from mien import Analysis, Analyzer, ConfigPath, MienError, RunView, Table, Unavailable, WeightFile, nearest
from mien_manifold.embedding import GET_UMAP, METHODS, NO_UMAP, Isomap, Method, Pca, Tsne, umap_installed
from mien_manifold.tables import TABLES

if TYPE_CHECKING:
    import pandas as pd

    from mien import ExplainedModel, FloatArray, Objective, Recording
    from mien_manifold.embedding import Embedded
    from mien_manifold.measured import Study
    from mien_manifold.ratings import Known

_FEWEST = 3


def _usual() -> dict[str, Method]:
    return {"pca": Pca(), "isomap": Isomap(), "tsne": Tsne()}


class Manifold(Analyzer):
    """What a stage of a network stores of faces, embedded in few dimensions and held against ratings.

    The features of windows (the output of any stage of the run's network, or of another backbone such as VGG16 on
    single frames) are embedded by PCA, Isomap, t-SNE or UMAP, and drawn coloured by score, band, participant or any
    rating.  How true each picture is to the neighbourhoods of the features is told by trustworthiness and continuity.

    Axes are held against ratings over participants: windows are averaged over each participant first.  Spearman's
    correlation has a bootstrap interval and a permutation p-value; q-values (Benjamini & Hochberg) are over all axes,
    ratings and methods.  The sign of an axis is arbitrary, and t-SNE and UMAP may turn their axes at will: R2 of a
    rating predicted from all axes, each participant left out in turn, does not depend on either.

    The embedding itself is made of all participants' features, without their ratings.  Held-out participants alone are
    embedded by default: of those whom it was trained on, a network stores the label.  Under folds every network has
    features of its own, which cannot be put into one picture: one fold's participants are embedded.

    A picture shows what is near, not why; distances between clusters of t-SNE and UMAP and the clusters' sizes mean
    little.
    """

    citation: ClassVar[str] = (
        "Xiao: Post-hoc and manifold explanations analysis of facial expression data based on deep learning, "
        "arXiv 2404.18352, 2024; "
        "Venna, Kaski: Neighborhood preservation in nonlinear projection methods: an experimental study, ICANN 2001; "
        "Tenenbaum, de Silva, Langford: A global geometric framework for nonlinear dimensionality reduction, "
        "Science 2000; "
        "van der Maaten, Hinton: Visualizing data using t-SNE, JMLR 2008; "
        "McInnes, Healy, Melville: UMAP, arXiv 1802.03426, 2018"
    )

    tables: ClassVar[tuple[Table, ...]] = TABLES

    stage: str | None = Field(
        None, description="Name of the stage whose output is embedded; none: the last one before the head."
    )
    backbone: dict[str, Any] | None = Field(
        None,
        description="Another network, with its own weights and not trained here: 'use' and parameters of an installed "
        "backbone, e.g. {use: frame_cnn, network: vgg16, weights: imagenet}; none: the run's network.",
    )
    size: int | None = Field(
        None, ge=16, description="Side to which clips are resized for 'backbone', pixels; none: they stay as they are."
    )
    pooling: Literal["mean", "time", "none"] = Field(
        "mean",
        description="What makes one row of numbers of a stage's output: the mean of each channel, the mean over time "
        "with places kept, or nothing.",
    )
    split: Literal["test", "all"] = Field(
        "test", description="Whose windows: held-out participants', or everyone's in the data set."
    )
    fold: int = Field(0, ge=0, description="Under folds, the one whose network and held-out participants are taken.")
    windows: int = Field(
        400, ge=3, le=2000, description="Windows at most, as many of each participant, spread evenly over its own."
    )
    components: int | None = Field(
        50,
        ge=2,
        description="Principal components that Isomap, t-SNE and UMAP begin with; none: the features themselves.",
    )
    methods: dict[str, Method] = Field(
        default_factory=_usual,
        min_length=1,
        description="Embeddings by a name of your own: pca, isomap, tsne or umap, or 'use' with parameters.",
    )
    neighbours: int = Field(10, ge=1, description="Size of the neighbourhood that the report's sentences are of.")
    most_neighbours: int = Field(30, ge=1, description="Largest neighbourhood of the curves.")
    colour_by: tuple[str, ...] = Field(
        ("score", "participant"),
        description="What points are coloured by: score, prediction, band, participant, a covariate of the data set, "
        "or a column of 'ratings'.",
    )
    ratings: ConfigPath | None = Field(
        None, description="CSV file of ratings: a column 'recording' or 'participant', and one for each rating."
    )
    correlate: tuple[str, ...] | None = Field(
        None,
        description="Ratings that axes are held against; none: the score, and each covariate and rating that is a "
        "number.",
    )
    resamples: int = Field(1000, ge=100, description="Bootstrap resamples.")
    permutations: int = Field(4999, ge=99, description="Random permutations of a test; all where they are fewer.")
    seed: int | None = Field(None, ge=0, le=2**31 - 1, description="Of all that is random; none: the run's.")

    @field_validator("methods", mode="before")
    @classmethod
    def _by_id(cls, methods: Any) -> Any:
        """Take the bare id of a method for its defaults, and tell the nearest id of one that there is not."""
        if not isinstance(methods, Mapping):
            return methods
        found = {}
        for name, given in methods.items():
            fields = {"use": given} if isinstance(given, str) else given
            use = fields.get("use") if isinstance(fields, Mapping) else getattr(fields, "use", None)
            if use not in METHODS:
                told = "'use' is missing" if use is None else f"there is no method '{use}'"
                raise ValueError(f"{name}: {told}. {nearest(str(use), METHODS)}")
            found[name] = fields
        return found

    def lacking(self) -> Sequence[Unavailable]:
        """Return UMAP without umap-learn, and another backbone that cannot be made."""
        from mien_manifold.features import made_backbone

        found = []
        if not umap_installed() and any(method.use == "umap" for method in self.methods.values()):
            found.append(Unavailable("methods", "umap", NO_UMAP, GET_UMAP))
        if self.backbone is not None:
            try:
                made_backbone(self.backbone)
            except MienError as error:
                use = str(self.backbone.get("use", ""))
                found.append(Unavailable("backbone", use, error.message, error.hint or ""))
        return found

    def needed_weights(self) -> Sequence[WeightFile]:
        """Return the weight files of the other backbone."""
        from mien_manifold.features import made_backbone

        return () if self.backbone is None else made_backbone(self.backbone).needed_weights()

    def weight_files(self) -> Mapping[str, Path]:
        """Return the files of the other backbone's pretrained weights."""
        from mien_manifold.features import made_backbone

        return {} if self.backbone is None else made_backbone(self.backbone).weight_files()

    def check(self, model: ExplainedModel) -> None:
        """Raise `ModelError` when there is no such stage, in the run's network or in that of the other backbone."""
        from mien_manifold.features import require_stage

        require_stage(model, self.stage, self.backbone)

    def check_recordings(self, recordings: Sequence[Recording], objective: Objective) -> None:
        """Raise `ConfigError` for a colour or a rating that neither the data set nor the file has."""
        from mien_manifold.ratings import foreseen, require

        table = foreseen(recordings, objective, self.ratings)
        require(self.colour_by, table, "colour_by")
        require(self.correlate or (), table, "correlate", numeric=True)

    def analyze(self, run: RunView) -> Analysis:
        """Return the embeddings, their quality, how they go with ratings, and the figures."""
        from mien_manifold.ratings import known, require
        from mien_manifold.windows import candidates, chosen
        from mien_manifold.words import left_out

        fold, notes = self._fold(run.predictions)
        all_rows = candidates(run.predictions, self.split, fold)
        rows = chosen(all_rows, self.windows)
        notes += left_out(all_rows, rows, self.windows)
        if len(rows) < _FEWEST:
            return Analysis(notes=[_nothing(len(rows), self.split), *notes])
        about = known(run, rows, self.ratings)
        require(self.colour_by, about.table, "colour_by")
        require(self.correlate or (), about.table, "correlate", numeric=True)
        study, gaps = self._study(run, rows, about)
        if not study.embedded:
            return Analysis(notes=["Nothing is embedded.", *gaps, *notes])
        whole = len(all_rows), all_rows["participant"].nunique()
        return self._told(run, study, about, whole, [*notes, *about.notes, *gaps])

    def _fold(self, predictions: pd.DataFrame) -> tuple[int | None, list[str]]:
        """Return the fold to embed, and why; None where one network judges all, or is not asked."""
        folds = sorted(int(fold) for fold in predictions["fold"].unique())
        if self.backbone is not None or len(folds) < 2:
            return None, []
        note = (
            f"Each of the {len(folds)} folds has a network of its own, whose features cannot be put into one picture: "
            f"those of fold {self.fold} are embedded."
        )
        if self.fold not in folds:
            note = f"There is no fold {self.fold}: folds are {folds[0]} to {folds[-1]}."
        return self.fold, [note]

    def _study(self, run: RunView, rows: pd.DataFrame, about: Known) -> tuple[Study, list[str]]:
        from mien_manifold.features import features_of
        from mien_manifold.measured import Study, neighbourhoods
        from mien_manifold.windows import keys_of

        seed = run.seed if self.seed is None else self.seed
        found = features_of(run, keys_of(rows), self.stage, self.pooling, self.backbone, self.size, seed)
        embedded, gaps = self._embedded(found.values, seed)
        neighbours, most = neighbourhoods(len(rows), self.neighbours, self.most_neighbours)
        if neighbours < self.neighbours:
            gaps.append(f"{len(rows)} windows have neighbourhoods of {neighbours} at most, not {self.neighbours}.")
        methods = {name: self.methods[name] for name in embedded}
        study = Study(about.table, found, methods, embedded, neighbours, most, self.resamples, self.permutations, seed)
        return study, gaps

    def _embedded(self, values: FloatArray, seed: int) -> tuple[dict[str, Embedded], list[str]]:
        """Return the embeddings that can be made, and why the others cannot."""
        import numpy as np

        from mien_manifold.embedding import reduced

        if not np.ptp(values, axis=0).any():
            return {}, ["The features are the same for all windows."]
        fewer = reduced(values, self.components)
        found, notes = {}, []
        for name, method in self.methods.items():
            own = values if method.use == "pca" else fewer
            gap = method.gap(*own.shape)
            if gap:
                notes.append(f"{method.title} ('{name}') is not made: {gap}.")
                continue
            try:
                found[name] = method.embed(own, seed)
            except MienError as error:
                notes.append(f"{method.title} ('{name}') is not made: {error}")
                continue
            notes += [f"{name}: {note}" for note in found[name].notes]
        return found, notes

    def _told(self, run: RunView, study: Study, about: Known, whole: tuple[int, int], notes: list[str]) -> Analysis:
        from mien_manifold import charts, measured, words

        methods, quality = measured.quality_tables(study)
        rated = about.rated if self.correlate is None else self.correlate
        axes, ratings = measured.axes_table(study, rated), measured.ratings_table(study, rated)
        drawn, gaps = charts.scatters(study, self.colour_by, list(run.objective.severity_bands))
        of = charts.source(study)
        drawn += [*charts.quality_charts(quality, of), *charts.axes_chart(axes, of), *charts.ratings_chart(ratings, of)]
        said = [words.described(study, self.pooling, *whole)]
        if self.split == "all":
            said.append(
                "Participants whom the network was trained on are among them: of those it stores the label, so that "
                "axes go with the score whether or not that holds for others."
            )
        said += [*words.qualities(quality, study.neighbours), *words.alike(methods)]
        said += [*words.axes_found(axes), *words.ratings_found(ratings)]
        tables = {
            "manifold": methods,
            "manifold_points": measured.points_table(study),
            "manifold_quality": quality,
            "manifold_axes": axes,
            "manifold_ratings": ratings,
        }
        return Analysis(tables, drawn, [*said, *gaps, *notes])


def _nothing(windows: int, split: str) -> str:
    whose = "held-out participants" if split == "test" else "the data set"
    hint = " Set split to all to embed everyone's." if split == "test" else ""
    return f"Nothing is embedded: there are {windows} windows of {whose}, and three are needed.{hint}"
