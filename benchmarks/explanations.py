"""How true the explanations of every attribution method are: the leaderboard, its gates, and how long it takes.

Run ``python benchmarks/explanations.py`` (an hour on two cores), or with ``--quick`` (minutes); it writes
``benchmarks/results/explanations.json`` or ``explanations_quick.json``.  It begins with an empty store.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import _runs as runs


def main() -> None:
    quick = ["--quick"] if "--quick" in sys.argv[1:] else []
    with tempfile.TemporaryDirectory() as folder:
        common = ["--out", f"{folder}/out", "--store", f"{folder}/store", "--workers", str(os.cpu_count() or 1)]
        seconds = runs.mien("benchmark", "explanations", *quick, *common, "--quiet")
        board = runs.read(Path(folder) / "out" / "leaderboard.json")
    kept = {name: board[name] for name in ("about", "gates", "models", "leaderboard")}
    runs.write("explanations_quick" if quick else "explanations", {"seconds": seconds, **kept})


if __name__ == "__main__":
    main()
