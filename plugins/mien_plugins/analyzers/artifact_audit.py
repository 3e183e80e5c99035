"""Whether a network looks at something other than the face: a headset, a microphone, a caption, the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import Table
from mien_plugins.analyzers.artifact_audit_tables import CLIPS, CLUSTERS, METHODS, PEOPLE

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import Chart
    from mien_plugins.analyzers.artifact_audit_clusters import Clusters
    from mien_plugins.analyzers.artifact_audit_maps import ClipMap


class ArtifactAudit(Analyzer):
    """Relevance outside the face and on constant places; clips clustered by their relevance maps; alarms.

    Absolute relevance a pixel is compared outside and inside the face's outline, per participant (sums over all
    windows first) and over participants (a ratio of means, with a bootstrap interval).  An **alarm** is given for a
    method when over participants

    - *background*: pixels outside the face hold more relevance than those inside, and than in untrained networks: the
      lower end of the interval of their ratio is above ``background_bound`` and above the highest untrained network's;
      or
    - *place*: the strongest place of the crop is outside the face: the lower end of the interval of its relevance over
      that of the strongest place inside is above ``place_bound``.  A place is a block of an eighth of the crop's width
      and height.

    A ratio is infinite, and above any bound, where all relevance lies outside the face.

    With fewer than three participants there is no interval and no alarm; participants by themselves are flagged by the
    same rule without an interval.  The place is named, from its position alone: nothing has looked at the picture.

    Whether relevance outside the face *stays with* the image or with the face is told by how concentrated it is in
    either's coordinates, over all frames: the share on the hottest twentieth of the positions.

    Clips are clustered as in SpRAy: each clip's absolute relevance, summed over 8 x 8 parts of the crop and divided by
    its total; spectral clustering of the graph of nearest neighbours; the number of clusters by the eigengap.

    An artefact that covers the face, or lies inside its outline, is not seen; nor is a cue that does not change
    within a clip by a method whose baseline is the clip's own mean (``integrated_gradients`` with
    ``temporal_mean``).  Recordings that are out of distribution are left out.
    """

    version: ClassVar[int] = 2  # an alarm where all relevance lies outside the face
    citation: ClassVar[str] = (
        "Lapuschkin, Wäldchen, Binder, Montavon, Samek, Müller: Unmasking Clever Hans predictors and assessing what "
        "machines really learn, Nature Communications 2019"
    )

    tables: ClassVar[tuple[Table, ...]] = (METHODS, PEOPLE, CLUSTERS, CLIPS)

    background_bound: float = Field(
        1.5, gt=0, description="Relevance of a pixel outside over one inside that an alarm has to exceed."
    )
    place_bound: float = Field(
        1.25, gt=0, description="Relevance of the strongest place outside over that inside that an alarm has to exceed."
    )
    most_clusters: int = Field(6, ge=1, le=20, description="Largest number of clusters.")
    examples: int = Field(3, ge=1, le=5, description="Clips shown of each cluster, those nearest to its mean.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")
    figures: int = Field(2, ge=0, description="Methods that are drawn, in the order of the configuration.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the four tables, the charts, and a warning or an all-clear for each method."""
        from mien.regions.measures import counted
        from mien_plugins.analyzers.artifact_audit_maps import clip_maps, explained_keys

        rows = counted(run.relevance)
        if rows.empty:
            return Analysis(notes=["The audit for artefacts is not made: no recording was explained."])
        keys = explained_keys(rows)
        first = next(iter(run.clips(next(iter(keys.values()))[:1])), None)
        if first is None or first.layout != "video":
            return Analysis(notes=["The audit for artefacts is not made: landmarks show nothing outside the face."])
        return self._audited(run, rows, list(clip_maps(run, keys)))

    def _audited(self, run: RunView, rows: pd.DataFrame, clips: list[ClipMap]) -> Analysis:
        from mien_plugins.analyzers import artifact_audit_charts as charts
        from mien_plugins.analyzers import artifact_audit_measures as measures
        from mien_plugins.analyzers import artifact_audit_words as words

        bounds = measures.Bounds(self.background_bound, self.place_bound)
        people = measures.participants(rows, run.control_relevance, clips, bounds)
        methods = measures.methods(people, run.control_relevance, clips, bounds, self.resamples, run.seed)
        found = {str(name): self._clustered(clips, str(name)) for name in methods["method"]}
        clusters, members = measures.clusters(run.predictions, clips, found, self.resamples, run.seed)
        tables = {
            "artifact_audit": methods,
            "artifact_audit_participants": people,
            "artifact_audit_clusters": clusters,
            "artifact_audit_clips": members,
        }
        drawn: list[Chart] = []
        for method in list(found)[: self.figures]:
            drawn += charts.of_method(run, method, tables, clips, found[method], self.examples)
        said = words.notes(run, tables, bounds, self.most_clusters)
        return Analysis(tables, drawn, said, words.remarks(methods))

    def _clustered(self, clips: list[ClipMap], method: str) -> Clusters | None:
        from mien_plugins.analyzers.artifact_audit_clusters import FEWEST, cluster, features

        own = features(clips, method)
        return cluster(own, self.most_clusters) if len(own) >= FEWEST else None
