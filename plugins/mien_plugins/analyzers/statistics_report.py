"""What the analyzer `statistics` says: hypotheses, notes and forest plots."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from mien.report.charts import BarChart, Chart, HeatMap
    from mien_plugins.analyzers.statistics import Statistics

_CAVEAT = (
    "Correlational: it is about what this network relies on in these participants, not about what makes anybody "
    "severe; one data set, not yet repeated on another. Shares compete: more on one region is less on the rest."
)
_SHOWN = 40  # members of a family that a note can carry
_KEYS = ["method", "measure", "region", "au", "source"]


def first_family(settings: Statistics) -> str:
    """Return the family that hypotheses come from."""
    return "confirmatory" if settings.confirmatory else "regions"


def hypotheses(table: pd.DataFrame, settings: Statistics, higher_is: str) -> pd.DataFrame:
    """Return the rows of ``hypotheses``: called, beyond all controls, and not contradicted when adjusted."""
    import pandas as pd

    from mien.tables import HYPOTHESES

    adjusted = {tuple(row[key] for key in _KEYS): row for row in table[table["adjusted"]].to_dict("records")}
    own = table[(table["family"] == first_family(settings)) & ~table["adjusted"] & (table["q"] < settings.q)]
    own = own[own["exceeds"].astype("boolean").fillna(False).to_numpy(bool)]
    rows: list[dict[str, Any]] = []
    for row in own.sort_values(["q", "p", "method", "region"]).to_dict("records"):
        other = adjusted[tuple(row[key] for key in _KEYS)]
        if contradicted(row["effect"], other):
            continue
        said = {
            "id": f"H{len(rows) + 1}",
            "statement": statement(row, higher_is),
            "evidence": evidence(row, other),
            "caveat": f"{_CAVEAT} {_beyond(other, settings.q)}",
        }
        rows.append({column.name: (said | row)[column.name] for column in HYPOTHESES.columns})
    return pd.DataFrame(rows, columns=[column.name for column in HYPOTHESES.columns])


def contradicted(effect: float, adjusted: Mapping[Any, Any]) -> bool:
    """Return whether the adjusted effect's interval lies wholly on the other side of 0."""
    return bool(adjusted["high"] < 0) if effect > 0 else bool(adjusted["low"] > 0)


def statement(row: Mapping[Any, Any], higher_is: str) -> str:
    """Return an effect on a share as a sentence."""
    from mien.report.words import with_article

    more = "more" if row["effect"] > 0 else "less"
    return f"With {higher_is} the network relies {more} on {with_article(row['region'])} (method {row['method']})."


def evidence(row: Mapping[Any, Any], adjusted: Mapping[Any, Any]) -> str:
    """Return the numbers behind a hypothesis."""
    from mien.report.words import count, interval, number

    return (
        f"Spearman's correlation of the region's share of relevance (log-ratio) with the label: "
        f"{number(row['effect'], 2)} ({interval(row['low'], row['high'])}), p = {number(row['p'], 2)}, "
        f"q = {number(row['q'], 2)}, {count(int(row['n']), 'held-out participant')}; on the "
        f"windows of the controls {number(row['effect_beside'], 2)}; largest in "
        f"{count(row['controls_untrained'], 'untrained network')}: {number(row['control_untrained_max'], 2)}, in "
        f"{count(row['controls_permuted'], 'network')} trained with permuted labels: "
        f"{number(row['control_permuted_max'], 2)} (without sign); adjusted for the prediction: "
        f"{number(adjusted['effect'], 2)} ({interval(adjusted['low'], adjusted['high'])}), "
        f"p = {number(adjusted['p'], 2)}."
    )


def _beyond(adjusted: Mapping[Any, Any], level: float) -> str:
    if math.isfinite(adjusted["p"]) and adjusted["p"] < level:
        return "It holds beyond what the network predicts."
    return "Whether it holds beyond what the network predicts is not shown."


def notes(table: pd.DataFrame, found: pd.DataFrame, settings: Statistics, people: int) -> list[str]:
    """Return a note for each hypothesis, the family, and what could not be tested."""
    from mien.report.words import count

    said = [f"{row['id']}: {row['statement']} {row['evidence']} {row['caveat']}" for row in found.to_dict("records")]
    if found.empty:
        said.append(
            f"No hypothesis: no effect of severity has q below {settings.q:g}, exceeds every control of both kinds and "
            "is not contradicted by the effect adjusted for the prediction."
        )
    first = first_family(settings)
    said.append(
        f"Tested over {count(people, 'held-out participant')} that the network never saw; each is one value. "
        + _family(table, first)
    )
    said += [_others(table, name) for name in ("regions", "action_units") if name != first]
    shares = table[(table["measure"] == "share") & ~table["adjusted"]]
    for kind, key, title in (
        ("untrained", "networks", "untrained networks"),
        ("permuted", "permuted", "networks trained with permuted labels"),
    ):
        if len(shares) and not (shares[f"controls_{kind}"] > 0).any():
            said.append(
                f"There is nothing to exceed among {title} (explain.controls.{key}): there is none, or the effect is "
                "undefined in each. So nothing is called a hypothesis."
            )
    if (table["au"] != "").any():
        said.append(
            "Effects on the correlation with Action Units have no control (controls have no relevance over time) and "
            "are never called hypotheses."
        )
    return [*(note for note in said if note), *_undefined(table)]


def _family(table: pd.DataFrame, name: str) -> str:
    from mien.report.words import count

    own = table[(table["family"] == name) & ~table["adjusted"]]
    made = own[own["p"].notna()]
    members = [member(row) for row in made.to_dict("records")]
    rest = f" and {len(members) - _SHOWN} more (table statistics)" if len(members) > _SHOWN else ""
    what = (
        "named in the configuration" if name == "confirmatory" else "exploratory: none was named in the configuration"
    )
    untested = (
        f" {count(len(own) - len(made), 'more effect')} of it could not be tested." if len(own) > len(made) else ""
    )
    listing = f": {'; '.join(members[:_SHOWN])}{rest}" if members else ""
    return f"The family of q-values ({what}): {count(len(members), 'test')}{listing}.{untested}"


def member(row: Mapping[Any, Any]) -> str:
    """Return a test by what it is about."""
    from mien.report.words import region_title

    units = f" × {row['au']} ({row['source']})" if row["au"] else ""
    return f"{row['method']}, {region_title(row['region'])}{units}"


def _others(table: pd.DataFrame, name: str) -> str:
    """Return a sentence on a family of effects that was not named; empty where nothing was tested."""
    from mien.report.words import count

    own = table[(table["family"] == name) & ~table["adjusted"] & table["p"].notna()]
    if own.empty:
        return ""
    low = own[own["q"] < 0.05].sort_values("q")
    title = {"regions": "shares of regions", "action_units": "correlations with Action Units"}[name]
    top = "; ".join(f"{member(row)} (effect {row['effect']:.2f})" for row in low.head(3).to_dict("records"))
    which = f", the first being {top}" if top else ""
    return (
        f"Exploratory, a family of its own: {count(len(own), 'test')} of {title}; {len(low)} have q below 0.05{which}. "
        "None of these is called a hypothesis."
    )


def _undefined(table: pd.DataFrame) -> list[str]:
    from mien.report.words import count, listed, region_title

    said = []
    own = table[~table["adjusted"] & (table["measure"] != "au_correlation")]
    titles = {"share": "share", "signed_share": "signed share", "signed": "raw relevance"}
    for (method, measure), rows in own[own["undefined"] > 0].groupby(["method", "measure"], sort=False):
        regions = [f"{region_title(r['region'])} {r['undefined']}" for r in rows.to_dict("records")]
        said.append(
            f"{method}: participants whose {titles[str(measure)]} is undefined, and left out: {listed(regions)}."
        )
    units = table[~table["adjusted"] & (table["measure"] == "au_correlation")]
    missing = int(units["effect"].isna().sum())
    if missing:
        said.append(
            f"{missing} of {count(len(units), 'effect')} on the correlation with Action Units are undefined (a series "
            "does not change, or there are fewer than three participants)."
        )
    return said


def charts(table: pd.DataFrame, references: Mapping[tuple[str, str, bool], Sequence[float]]) -> list[Chart]:
    """Return a forest plot of the shares of each method, and a map of effects on Action Units."""
    drawn: list[Chart] = []
    shares = table[(table["measure"] == "share") & table["effect"].notna()]
    for method, own in shares.groupby("method", sort=False):
        drawn.append(_forest(str(method), own, references))
    units = table[(table["measure"] == "au_correlation") & ~table["adjusted"]]
    for source, own in units.groupby("source", sort=False):
        if own["effect"].notna().any():
            drawn.append(_map(str(source), own))
    return drawn


def _forest(method: str, own: pd.DataFrame, references: Mapping[tuple[str, str, bool], Sequence[float]]) -> BarChart:
    from mien.report.charts import BarChart, BarSeries, chart_name
    from mien.report.words import number, region_title

    plain = own[~own["adjusted"]].set_index("region")
    regions = [str(region) for region in dict.fromkeys(own["region"])]
    series = []
    for adjusted, name in ((False, "severity"), (True, "severity, adjusted for the prediction")):
        rows = own[own["adjusted"] == adjusted].set_index("region").reindex(regions)
        if rows["effect"].isna().all():
            continue
        certain = bool(rows["low"].notna().any())
        marks = [list(references.get((method, region, adjusted), [])) for region in regions]
        series.append(
            BarSeries(
                name=name,
                values=rows["effect"].tolist(),
                low=rows["low"].tolist() if certain else (),
                high=rows["high"].tolist() if certain else (),
                references=marks if any(marks) else (),
            )
        )
    q = {region: plain["q"].get(region, math.nan) for region in regions}
    return BarChart(
        name=chart_name("statistics", method),
        title=f"Effect of severity on the share of relevance ({method})",
        caption="Spearman's correlation of a region's share of absolute relevance (log-ratio) with the label over "
        f"{int(own['n'].max())} held-out participants, with 95 % bootstrap interval; diamonds are control networks, "
        "untrained or trained with permuted labels. q is of the effect that is not adjusted, in its printed family.",
        x_label="Spearman r",
        groups=[f"{region_title(region)} (q = {number(q[region], 2)})" for region in regions],
        series=series,
        value_name="trained, with 95 % interval",
        reference_name="control networks",
        chance=0.0,
        chance_name="no effect",
    )


def _map(source: str, own: pd.DataFrame) -> HeatMap:
    from mien.report.charts import chart_name
    from mien_plugins.analyzers.unit_maps import unit_map

    return unit_map(
        own,
        "effect",
        name=chart_name("statistics_action_units", source),
        title=f"Effect of severity on relevance against Action Units ({source})",
        caption="Spearman's correlation, over held-out participants, of the label with the participant's mean Fisher z "
        "of relevance against the Action Unit's intensity; empty where it is undefined. Intervals, p and q are in the "
        "table statistics. There is no control: none of these is a hypothesis.",
    )
