"""Video against single frames on two planted labels: one that each frame shows, and one that lives in dynamics alone.

Writes ``benchmarks/results/video_vs_frame.json``.  Four runs from nothing; the store is temporary.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from _runs import machine, mien, read, run, write

LABELS = {
    "dynamics": [],
    "static": ["dataset.label_kind=level", "dataset.label={AU12: 1}"],
}
NETWORKS = {"video": [], "frame": ["backbone=compact_frame_cnn"]}


def main() -> None:
    """Measure, print and write."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        result: dict[str, object] = {"machine": machine()}
        for label, planted in LABELS.items():
            for network, swapped in NETWORKS.items():
                result[f"{network}_{label}"] = run(
                    "video_vs_frame.yaml", folder, f"{network}_{label}", *planted, *swapped
                )
            pair = [str(folder / f"{network}_{label}") for network in NETWORKS]
            mien("compare", *pair, "--out", str(folder / f"compare_{label}"))
            (found,) = (folder / f"compare_{label}").glob("*.json")
            result[f"difference_{label}"] = read(found)["metrics"]
        write("video_vs_frame", result)


if __name__ == "__main__":
    main()
