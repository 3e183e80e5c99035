"""The figures: agreement with intervals beside the baselines, and the mean maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mien import BarChart, BarSeries, Chart, MapGrid, MapPanel
from mien_gaze.scoring import GAZE, MeanMaps
from mien_gaze.tables import BASELINE_TITLES, BASELINES, FACE, TITLES
from mien_gaze.words import count

if TYPE_CHECKING:
    import pandas as pd

    from mien_gaze.placing import Array

_SIDE = 32  # cells of a drawn map along its longer side: more are not seen in print
_METHODS = 4  # beside each other


def of_agreement(agreement: pd.DataFrame, methods: Sequence[str], whose: str) -> list[Chart]:
    """Return the bars of the measures; those that share a scale share a figure.

    Parameters
    ----------
    agreement : DataFrame
        The table ``gaze_agreement``.
    methods : sequence of str
    whose : str
        The viewers, e.g. ``synthetic viewers``.
    """
    against = "each_viewer" if (agreement["against"] == "each_viewer").any() else "all"
    own = agreement[agreement["against"] == against]
    fixations = "each viewer's fixations by themselves" if against == "each_viewer" else "all fixations at once"
    people = count(int(own["participants"].max()), "participant")
    caption = (
        f"Mean over {people} with 95 % bootstrap interval, where there are at least three; maps are held against "
        f"{fixations}. Methods first, then baselines. "
    )
    sheets = (
        ("gaze_auc", "area under the ROC curve", ("auc_judd", "auc_shuffled"), 0.5),
        ("gaze_nss", "standard deviations of the map", ("nss",), 0.0),
        ("gaze_distributions", "agreement with the fixation density", ("cc", "sim"), None),
    )
    more = {
        "gaze_auc": "The shuffled AUC gives nothing for looking where people look on other recordings too; of "
        "'gaze on other faces' it is not defined.",
        "gaze_nss": "0 is chance.",
        "gaze_distributions": "CC of 0 is chance; SIM of 1 is equality. KL is in the table gaze_agreement.",
    }
    return [
        BarChart(
            name=name,
            title=f"Agreement with the fixations of {whose}: {' and '.join(TITLES[one] for one in metrics)}",
            caption=caption + more[name],
            x_label=label,
            groups=[*methods, *(BASELINE_TITLES[one] for one in BASELINES)],
            series=[_series(own, metric, [*methods, *BASELINES]) for metric in metrics],
            value_name="mean, with 95 % interval",
            chance=chance,
        )
        for name, label, metrics, chance in sheets
    ]


def _series(own: pd.DataFrame, metric: str, maps: Sequence[str]) -> BarSeries:
    rows = own[own["metric"] == metric].set_index("map").reindex(list(maps))
    certain = bool(rows["low"].notna().any())
    return BarSeries(
        name=TITLES[metric],
        values=rows["value"].tolist(),
        low=rows["low"].tolist() if certain else (),
        high=rows["high"].tolist() if certain else (),
    )


def of_maps(maps: MeanMaps, methods: Sequence[str], people: int, whose: str) -> MapGrid:
    """Return the mean maps of gaze and relevance: over all participants, then of some of them."""
    names = [GAZE, *[name for name in methods if name in maps.sums][:_METHODS]]
    everyone = [(name, maps.overall(name)) for name in names]
    everybody = count(len(maps.sums[GAZE]), "participant")
    rows = [(f"mean over {everybody}", _panels(everyone, maps.overall(FACE)))]
    for person in sorted(maps.sums[GAZE])[:people]:
        own = [(name, maps.of(name, person)) for name in names]
        rows.append((f"participant {person}", _panels(own, maps.of(FACE, person))))
    return MapGrid(
        name="gaze_maps",
        title=f"Where {whose} looked, and where relevance lies",
        caption="Fixation density and relevance as they were compared, over the crop, mean over windows (the darker, "
        "the more; each map has its own scale), with the outline of the face.",
        rows=rows,
    )


def _panels(images: Sequence[tuple[str, Array | None]], face: Array | None) -> list[MapPanel]:
    inside = () if face is None else (_coarse(face) / max(float(_coarse(face).max()), 1e-12)).tolist()
    return [
        MapPanel(name="fixations" if name == GAZE else name, values=_coarse(image).tolist(), inside=inside)
        for name, image in images
        if image is not None
    ]


def _coarse(image: Array) -> Array:
    """Return means over square blocks of pixels; what does not fill a block at the right and below is left out."""
    block = max(1, -(-max(image.shape) // _SIDE))
    height, width = (length // block * block for length in image.shape)
    blocks: Array = image[:height, :width].reshape(height // block, block, width // block, block).mean((1, 3))
    return blocks
