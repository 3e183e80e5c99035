"""Whether the heat maps of a run's own network are to be believed: the tests that need no planted truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, TypeVar

from pydantic import Field

from mien.interfaces import Analysis, Analyzer, RunView
from mien.tables import METHOD, PARTICIPANT, Column, Table

if TYPE_CHECKING:
    from mien.types import ClipKey

_Item = TypeVar("_Item")
Filling = Literal["blur", "median"]

FILLS: tuple[Filling, ...] = ("blur", "median")
MEASURES = {
    "deletion": "Area saved against random order when the densest features are replaced first, mean over the fills.",
    "insertion": "The same when the densest features are shown first.",
    **{f"{test}_{fill}": f"{test} with one fill." for test in ("deletion", "insertion") for fill in FILLS},
    "randomisation": "Similarity left to the map when the network is drawn anew down to the named stage.",
    "stability_noise": "Similarity of the map to that of the clip under slight noise.",
    "stability_shift": "Similarity of the map to that of the clip shifted by a pixel, shifted back.",
}
VERDICTS = ("believe", "with care", "do not believe")

_MEASURE = Column(
    "measure",
    "string",
    "What is measured. " + " ".join(f"{name}: {what}" for name, what in MEASURES.items()),
    allowed=tuple(MEASURES),
)
_STAGE = Column(
    "stage", "string", "Of randomisation: the stage down to which, from the head, parameters are new; empty for others."
)

_FIGURES = Table(
    "faithfulness",
    "A measure of the faithfulness of one method's maps; over participants.",
    (
        METHOD,
        _MEASURE,
        _STAGE,
        Column("value", "number", "Mean over participants; absent where it is undefined.", nullable=True),
        Column(
            "low",
            "number",
            "Lower end of the 95 % interval (bootstrap over participants); absent with fewer than three.",
            nullable=True,
        ),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("participants", "integer", "Participants in whom it is defined."),
        Column("clips", "integer", "Clips that were tested."),
        Column("undefined", "integer", "Clips in which it is undefined, e.g. for want of any relevance."),
    ),
)

_PEOPLE = Table(
    "faithfulness_participants",
    "A measure of the faithfulness of one method's maps, of one participant.",
    (
        METHOD,
        PARTICIPANT,
        _MEASURE,
        _STAGE,
        Column("value", "number", "Mean over the participant's clips; absent where it is undefined.", nullable=True),
        Column("clips", "integer", "Clips in which it is defined."),
    ),
)

_VERDICTS = Table(
    "faithfulness_verdicts",
    "Whether to believe the maps of one method.",
    (
        METHOD,
        Column("verdict", "string", "By the rule of the analyzer.", allowed=VERDICTS),
        Column("why", "string", "What does not hold; empty where everything does."),
    ),
)


class Faithfulness(Analyzer):
    """Deletion and insertion, parameter randomisation and stability of each method's maps of the run's own network.

    - *Deletion, insertion*: parts of the face in stretches of time are replaced (or shown) in the order of their
      density of relevance; how much sooner than in random order the output is lost (or reached), 1 at best, 0 for
      chance (`mien.faithfulness.curves`).
    - *Randomisation*: Spearman's correlation of the map with that of the network whose parameters are drawn anew from
      the head down.  A map that stays the same does not tell what was learnt.
    - *Stability*: the same correlation with the map of the clip under slight noise, and shifted by a pixel.

    The verdict: *believe* where deletion and insertion are both above 0 with their whole 95 % interval, the similarity
    left after randomisation is at most ``similar``, and stability under noise and shifts is at least ``stable``.
    *Do not believe* where neither deletion nor insertion is above 0 on average, or more similarity than ``similar`` is
    left.  *With care* otherwise, as with fewer than three participants.  A belief is that the map shows what this
    network uses, not that the network is right.

    Each clip is tested in the network that judges it.  The figures are of few clips: every method explains each of them
    again, once for each stage of the network, draw of noise and shift.
    """

    version: ClassVar[int] = 2  # random networks, noise and orders are drawn for each participant
    citation: ClassVar[str] = (
        "Samek et al.: Evaluating the Visualization of What a Deep Neural Network Has Learned, IEEE TNNLS 2017; "
        "Petsiuk, Das, Saenko: RISE, BMVC 2018; "
        "Adebayo et al.: Sanity Checks for Saliency Maps, NeurIPS 2018; "
        "Yeh et al.: On the (In)fidelity and Sensitivity of Explanations, NeurIPS 2019"
    )

    tables: ClassVar[tuple[Table, ...]] = (_FIGURES, _PEOPLE, _VERDICTS)

    participants: int = Field(6, ge=1, description="Participants that are tested at most, spread over all.")
    clips: int = Field(1, ge=1, description="Explained windows of each of them that are tested at most.")
    fills: tuple[Filling, ...] = Field(
        FILLS,
        min_length=1,
        description="What replaces a part: blur, each frame strongly blurred; median, the median of the clip's frames, "
        "about the resting face.",
    )
    segments: int = Field(4, ge=1, description="Stretches of time that a clip is divided into.")
    steps: int = Field(16, ge=2, description="Steps in which everything is replaced.")
    orders: int = Field(5, ge=1, description="Random orders to compare with.")
    stages: Literal["every", "last"] = Field(
        "every",
        description="every: compare maps after each stage that is drawn anew; last: when all are, which is quicker.",
    )
    noise: float = Field(0.01, gt=0, description="Standard deviation of the noise, as a fraction of the clip's range.")
    draws: int = Field(2, ge=1, description="Draws of noise.")
    similar: float = Field(
        0.7, gt=0, le=1, description="Largest similarity left after randomisation of maps that are to be believed."
    )
    stable: float = Field(0.5, ge=0, lt=1, description="Smallest stability of maps that are to be believed.")
    resamples: int = Field(2000, ge=100, description="Bootstrap resamples.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the figures, their curves, a verdict for each method, and the remark beside its heat maps."""
        chosen = self._chosen(run)
        if not chosen:
            return Analysis(notes=["Faithfulness is not tested: no window was explained."])
        from mien_plugins.analyzers.faithfulness_charts import charts
        from mien_plugins.analyzers.faithfulness_measure import measured
        from mien_plugins.analyzers.faithfulness_verdict import figures, judged, notes

        found = measured(self, run, chosen)
        if found.rows.empty:
            return Analysis(notes=["Faithfulness is not tested.", *found.gaps])
        people, table = figures(found.rows, self.resamples, run.seed)
        verdicts, remarks = judged(self, table)
        tables = {"faithfulness": table, "faithfulness_participants": people, "faithfulness_verdicts": verdicts}
        own = charts(table, found.curves, found.stages)
        return Analysis(tables, own, [*notes(self, table, verdicts), *found.gaps], remarks)

    def _chosen(self, run: RunView) -> dict[str, list[ClipKey]]:
        """Return the windows to test by recording: of few participants, evenly spread; none out of distribution."""
        from mien.types import ClipKey

        rows = run.relevance[["recording", "participant", "window", "split"]].drop_duplicates()
        inside = rows[rows["split"] != "out_of_distribution"]
        rows = inside if len(inside) else rows
        people = sorted(str(name) for name in rows["participant"].unique())
        found: dict[str, list[ClipKey]] = {}
        for person in _spread(people, self.participants):
            own = rows[rows["participant"] == person].sort_values(["recording", "window"])
            pairs = zip(own["recording"].map(str), own["window"].map(int), strict=True)
            keys = [ClipKey(recording, person, window) for recording, window in pairs]
            for key in _spread(keys, self.clips):
                found.setdefault(key.recording, []).append(key)
        return found


def _spread(items: list[_Item], most: int) -> list[_Item]:
    """Return at most so many items, evenly spread over all."""
    count = min(most, len(items))
    return [items[(2 * place + 1) * len(items) // (2 * count)] for place in range(count)]
