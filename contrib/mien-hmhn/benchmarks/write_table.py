"""Puts results/compare.json into the README, between its two marks.

python write_table.py
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
MARKS = ("<!-- results -->\n", "<!-- /results -->")
COLUMNS = {"pearson": ("r", 3), "mae": ("MAE", 2), "rmse": ("RMSE", 2)}


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the Markdown of a result."""
    seeds, held_out = found["seeds"], found["held_out"]
    if not found["complete"]:
        yield "**Not complete: some networks are still to be trained.**"
        yield ""
    yield f"{held_out['recordings']} recordings of {held_out['participants']} held-out participants; the mean over the"
    yield f"seeds {', '.join(map(str, seeds))}, with a 95 % interval by bootstrap over participants."
    yield ""
    yield "| network | weights | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for name, metrics in found["networks"].items():
        yield f"| `{name}` | {found['about'][name]['parameters']:,} | {cells(metrics)} |"
    yield ""
    yield "| difference | " + " | ".join(title for title, _ in COLUMNS.values()) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, metrics in found["differences"].items():
        yield f"| {name} | {cells(metrics, sign=True)} |"
    yield ""
    yield "Density of relevance in the mouth, where AU12 shows (1 is chance; by seed, and untrained networks):"
    yield ""
    for name, about in found["about"].items():
        yield from densities(name, about["mouth_density"])
    yield ""
    yield f"Measured on {found['machine']}. All figures: `benchmarks/results/compare.json`."


def cells(metrics: Mapping[str, Any], sign: bool = False) -> str:
    """Return the cells of the metrics: value and interval."""
    texts = []
    for name, (_, digits) in COLUMNS.items():
        form = f"{'+' if sign else ''}.{digits}f"
        value, low, high = (format(metrics[name][key], form) for key in ("mean", "low", "high"))
        texts.append(f"{value} [{low}, {high}]")
    return " | ".join(texts)


def densities(network: str, by_seed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a line for each method of a network."""
    for method in next(iter(by_seed.values())):
        rows = [own[method] for own in by_seed.values()]
        each = ", ".join(f"{row['density']:.2f}" for row in rows)
        low = min(row["untrained_density_lowest"] for row in rows)
        high = max(row["untrained_density_highest"] for row in rows)
        yield f"- `{network}`, {method}: {each} (untrained {low:.2f}-{high:.2f})"


def main() -> None:
    """Write."""
    readme = HERE.parent / "README.md"
    found = json.loads((HERE / "results" / "compare.json").read_text(encoding="utf-8"))
    before, _, rest = readme.read_text(encoding="utf-8").partition(MARKS[0])
    _, mark, after = rest.partition(MARKS[1])
    readme.write_text(before + MARKS[0] + "\n".join(lines(found)) + "\n" + mark + after, encoding="utf-8")


if __name__ == "__main__":
    main()
