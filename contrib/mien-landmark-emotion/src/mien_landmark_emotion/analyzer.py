"""Which landmarks each class is told by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien import Analysis, Analyzer, Column, LandmarkMap, LandmarkPanel, RunView, Table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    FloatArray = npt.NDArray[np.floating[Any]]

_TABLE = "landmark_relevance"


class LandmarkRelevance(Analyzer):
    """The share of relevance of each landmark, for the clips of each class, on a drawn mean face.

    A clip's relevance is summed over x and y, its absolute values over time, and divided by the total.  Shares are
    averaged over a participant's clips of a class, then over participants; the interval is a bootstrap over
    participants.
    """

    tables: ClassVar[tuple[Table, ...]] = (
        Table(
            _TABLE,
            "A method x class x landmark, over the explained clips with a label.",
            (
                Column("method", "string", "The attribution method."),
                Column("class", "string", "The clips' class: its name, or the label."),
                Column("landmark", "integer", "Number of the landmark under its scheme."),
                Column("share", "number", "Mean share of the absolute relevance, 0 to 1."),
                Column("low", "number", "Lower end of the 95 % interval; absent for one participant.", nullable=True),
                Column("high", "number", "Upper end of the 95 % interval; absent for one participant.", nullable=True),
                Column("participants", "integer", "Whose clips these are."),
            ),
        ),
    )

    top: int = Field(10, ge=0, description="So many landmarks of the largest share are ringed.")
    resamples: int = Field(1000, ge=1, description="Of the bootstrap over participants.")

    def analyze(self, run: RunView) -> Analysis:
        """Return the shares and a face for each class; a note where clips are not of landmarks."""
        import numpy as np
        import pandas as pd

        shares, foreign = self._shares(run)
        if not shares:
            why = "clips are pixels, not landmarks" if foreign else "no labelled clip was explained"
            return Analysis(notes=[f"Relevance by landmark is not computed: {why}."])
        rng = np.random.default_rng(run.seed)
        rows = [
            self._rows(method, name, people, rng) for (method, name), people in sorted(shares.items()) if len(people)
        ]
        table = pd.concat(rows, ignore_index=True)
        methods = list(dict.fromkeys(table["method"]))
        notes = [self._note(run, method, table[table["method"] == method]) for method in methods]
        charts = [self._chart(run, method, table[table["method"] == method]) for method in methods]
        return Analysis(tables={_TABLE: table}, charts=charts, notes=notes)

    def _shares(self, run: RunView) -> tuple[dict[tuple[str, str], dict[str, list[FloatArray]]], bool]:
        """Return shares ``(N,)`` of each clip by method and class, then participant; and whether clips are pixels."""
        found: dict[tuple[str, str], dict[str, list[FloatArray]]] = {}
        explained = set(zip(run.relevance["method"], run.relevance["recording"], strict=True))
        for batch in run.clips() if len(explained) else ():
            if batch.layout != "landmarks":
                return {}, True
            for key, label in zip(batch.keys, batch.labels.tolist(), strict=True):
                if label != label:  # unknown
                    continue
                for method in run.methods:
                    if (method, key.recording) in explained:
                        people = found.setdefault((method, _name(run, label)), {})
                        people.setdefault(key.participant, []).append(_share(run.maps(method, key)))
        return found, False

    def _rows(
        self, method: str, name: str, people: dict[str, list[FloatArray]], rng: np.random.Generator
    ) -> pd.DataFrame:
        import numpy as np
        import pandas as pd

        means = np.stack([np.mean(people[person], axis=0) for person in sorted(people)])
        low = high = np.full(means.shape[1], np.nan)
        if len(means) > 1:
            drawn = rng.integers(len(means), size=(self.resamples, len(means)))
            # Weights of the participants, not their values: resamples x landmarks fit into memory.
            weights = np.stack([np.bincount(row, minlength=len(means)) for row in drawn]) / len(means)
            low, high = np.quantile(weights @ means, [0.025, 0.975], axis=0)
        landmarks = {"landmark": np.arange(means.shape[1]), "share": means.mean(0), "low": low, "high": high}
        return pd.DataFrame({"method": method, "class": name, **landmarks, "participants": len(means)})

    def _chart(self, run: RunView, method: str, table: pd.DataFrame) -> LandmarkMap:
        count = int(table["landmark"].max()) + 1
        panels = []
        for name, own in table.groupby("class", sort=False):
            values = [100 * share for share in own.sort_values("landmark")["share"]]
            kept = sorted(range(count), key=lambda point, values=values: -values[point])[: self.top]  # type: ignore[misc]
            panels.append(LandmarkPanel(name=str(name), values=values, kept=kept))
        return LandmarkMap(
            name="landmark_relevance_" + "".join(c if c.isalnum() else "_" for c in method.lower()),
            title=f"Relevance by landmark ({method})",
            caption=f"Mean share of the absolute relevance over participants; the {self.top} largest are ringed.",
            points=[(float(x), float(y)) for x, y in run.scheme.mean_face[:count]],
            edges=[(a, b) for a, b in run.scheme.edges if a < count and b < count],
            panels=panels,
            unit="% of relevance",
        )

    def _note(self, run: RunView, method: str, table: pd.DataFrame) -> str:
        parts = []
        for name, own in table.groupby("class", sort=False):
            share = own.set_index("landmark")["share"]
            regions = {
                region: float(share[[point for point in points if point in share.index]].sum())
                for region, points in run.scheme.regions.items()
            }
            first = max(regions, key=lambda region: regions[region])
            parts.append(f"{name}: {first.replace('_', ' ')} {regions[first]:.0%}")
        return f"Region whose landmarks hold most relevance ({method}): {'; '.join(parts)}."


def _name(run: RunView, label: float) -> str:
    classes: tuple[str, ...] = getattr(run.objective, "classes", ())
    return classes[int(label)] if 0 <= label < len(classes) else f"{label:g}"


def _share(relevance: FloatArray) -> FloatArray:
    """Return the share of each landmark of a clip's relevance ``(T, N)``; even where there is none at all."""
    import numpy as np

    held = np.abs(np.asarray(relevance, float)).sum(0)
    total = held.sum()
    return np.asarray(held / total if total > 0 else np.full(len(held), 1 / len(held)))
