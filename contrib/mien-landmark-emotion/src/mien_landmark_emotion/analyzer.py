"""Which landmarks each class is told by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from mien import Analysis, Analyzer, ClipKey, Column, LandmarkMap, LandmarkPanel, RunView, Table

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd

    FloatArray = npt.NDArray[np.floating[Any]]

_TABLE = "landmark_relevance"


@dataclass
class _Shares:
    """Shares ``(N,)`` of each clip by method and class, then participant; how many clips are left out, by why."""

    clips: int
    found: dict[tuple[str, str], dict[str, list[FloatArray]]] = field(default_factory=dict)
    left: Counter[str] = field(default_factory=Counter)

    def add(self, method: str, name: str, key: ClipKey, share: FloatArray | None) -> None:
        """Keep the share of a clip, or count the clip where it has none."""
        if share is None:
            self.left[f"without any relevance ({method})"] += 1
        else:
            self.found.setdefault((method, name), {}).setdefault(key.participant, []).append(share)

    def gaps(self) -> list[str]:
        """Return what is left out, as a sentence."""
        reasons = ", ".join(f"{count} {why}" for why, count in self.left.items() if count)
        return [f"Left out, of {self.clips} explained clips: {reasons}."] if reasons else []


class LandmarkRelevance(Analyzer):
    """The share of relevance of each landmark, for the clips of each class, on a drawn mean face.

    A clip's relevance is summed over x and y, its absolute values over the frames with a face, and divided by the
    total.  Shares are averaged over a participant's clips of a class, then over participants; the interval is a
    bootstrap over participants.  Clips out of distribution are left out, unless there is nothing else, and so are
    clips without a label, a face or any relevance; the report says how many.

    The region that is told for each class is that of the largest *density*: its landmarks' share of the relevance over
    their share of the landmarks, so that a region does not come first for having more of them.
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

        shares = self._shares(run)
        if shares is None:
            return Analysis(notes=["Relevance by landmark is not computed: clips are pixels, not landmarks."])
        if not shares.found:
            why = "no explained clip has a label, a face and relevance" if shares.clips else "no clip was explained"
            return Analysis(notes=[f"Relevance by landmark is not computed: {why}.", *shares.gaps()])
        rng = np.random.default_rng(run.seed)
        rows = [self._rows(method, name, people, rng) for (method, name), people in sorted(shares.found.items())]
        table = pd.concat(rows, ignore_index=True)
        by_method = {method: table[table["method"] == method] for method in dict.fromkeys(table["method"])}
        charts = [self._chart(run, method, own) for method, own in by_method.items()]
        return Analysis(tables={_TABLE: table}, charts=charts, notes=[*_by_region(run, by_method), *shares.gaps()])

    def _shares(self, run: RunView) -> _Shares | None:
        """Return the shares of all clips that count; None where clips are pixels."""
        import numpy as np

        methods, foreign = _explained(run)
        shares = _Shares(len(methods) + foreign)
        shares.left["out of distribution"] = foreign
        for batch in run.clips(list(methods)) if methods else ():
            if batch.layout != "landmarks":
                return None
            faces = np.asarray(batch.valid, bool)
            for key, label, valid in zip(batch.keys, batch.labels.tolist(), faces, strict=True):
                if label != label:  # unknown
                    shares.left["without a label"] += 1
                elif not valid.any():
                    shares.left["without a frame with a face"] += 1
                else:
                    for method in methods[key]:
                        shares.add(method, _name(run, label), key, _share(run.maps(method, key), valid))
        return shares

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
        ringed = f"; of each class the {self.top} landmarks with the largest are ringed" if self.top else ""
        panels = []
        for name, own in table.groupby("class", sort=False):
            values = [100 * share for share in own.sort_values("landmark")["share"]]
            kept = sorted(range(count), key=lambda point, values=values: -values[point])[: self.top]  # type: ignore[misc]
            panels.append(LandmarkPanel(name=str(name), values=values, kept=kept))
        return LandmarkMap(
            name="landmark_relevance_" + "".join(c if c.isalnum() else "_" for c in method.lower()),
            title=f"Relevance by landmark ({method})",
            caption=f"Mean share of the absolute relevance over {_people(table)}{ringed}. A colour is the same share "
            f"in all faces. The person's right is on the left. Intervals are in the table {_TABLE}.",
            points=[(float(x), float(y)) for x, y in run.scheme.mean_face[:count]],
            edges=[(a, b) for a, b in run.scheme.edges if a < count and b < count],
            panels=panels,
            unit="% of relevance",
        )


def _explained(run: RunView) -> tuple[dict[ClipKey, list[str]], int]:
    """Return the methods that explained each clip, and how many clips out of distribution are left out."""
    rows = run.relevance[["method", "recording", "participant", "window", "split"]].drop_duplicates()
    inside = rows[rows["split"] != "out_of_distribution"]
    kept = inside if len(inside) else rows
    found: dict[ClipKey, list[str]] = {}
    for method, recording, participant, window in kept.drop(columns="split").itertuples(index=False):
        found.setdefault(ClipKey(str(recording), str(participant), int(window)), []).append(str(method))
    return found, len(rows[["recording", "window"]].drop_duplicates()) - len(found)


def _by_region(run: RunView, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return, for each method and class, the region whose landmarks hold most relevance each."""
    count = max((int(table["landmark"].max()) + 1 for table in tables.values()), default=0)
    regions = {name: [point for point in points if point < count] for name, points in run.scheme.regions.items()}
    if not any(regions.values()):
        return ["Relevance is not told by region: the landmark scheme has no regions."]
    notes = []
    for method, table in tables.items():
        parts = []
        for name, own in table.groupby("class", sort=False):
            share = own.set_index("landmark")["share"]
            density = {region: float(share[points].mean()) * count for region, points in regions.items() if points}
            first = max(density, key=lambda region, density=density: density[region])  # type: ignore[misc]
            parts.append(f"{name}: {first.replace('_', ' ')} {density[first]:.1f}")
        notes.append(
            f"Region whose landmarks hold most relevance each ({method}; 1 is an even spread): {'; '.join(parts)}."
        )
    return notes


def _people(table: pd.DataFrame) -> str:
    """Return of how many participants the shares are: classes may have been shown by different ones."""
    fewest, most = int(table["participants"].min()), int(table["participants"].max())
    if fewest < most:
        return f"{fewest} to {most} participants, by class"
    return f"{most} participant{'s' if most > 1 else ''}"


def _name(run: RunView, label: float) -> str:
    classes = run.objective.class_names
    return classes[int(label)] if 0 <= label < len(classes) else f"{label:g}"


def _share(relevance: FloatArray, valid: npt.NDArray[np.bool_]) -> FloatArray | None:
    """Return the share of each landmark of a clip's relevance ``(T, N)`` over frames with a face; None without any."""
    import numpy as np

    held = np.abs(np.asarray(relevance, float)[valid]).sum(0)
    total = held.sum()
    return np.asarray(held / total) if total > 0 else None
