"""Video against single frames on two planted labels: one that each frame shows, and one that lives in dynamics alone.

Writes ``benchmarks/results/video_vs_frame.json``.  Four runs from nothing; the store is temporary.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _runs import machine, mien, read, run, write

LABELS = {
    "dynamics": [],
    "static": ["dataset.label_kind=level", "dataset.label={AU12: 1}", "dataset.cycle=0.64"],
}
NETWORKS = {"video": [], "frame": ["backbone=compact_frame_cnn"]}


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result: dict[str, object] = {"machine": machine()}
        for label, planted in LABELS.items():
            for network, swapped in NETWORKS.items():
                name = f"{network}_{label}"
                found = run("video_vs_frame.yaml", folder, name, *planted, *swapped)
                result[name] = {part: found[part] for part in ("level", "held_out")}
            pair = [str(folder / f"{network}_{label}") for network in NETWORKS]
            mien("compare", *pair, "--out", str(folder / f"compare_{label}"))
            compared = read(folder / f"compare_{label}" / "comparison.json")
            result[f"difference_{label}"] = compared["metrics"]
        write("video_vs_frame", result)


if __name__ == "__main__":
    main()
