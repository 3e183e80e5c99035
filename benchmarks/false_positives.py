"""How often each test calls an effect where there is none, and where one is planted.

Run ``python benchmarks/false_positives.py``; it writes ``benchmarks/results/false_positives.json``.  Each rate is of
1,000 (or ``--studies N``) simulated nulls at 5 %, five times as many where a study costs little; with 1,000 a sound
test lies between 3.3 and 6.9 % in 99 of 100 runs.
Beside them stands what happens when Spearman's own p-value is taken of the frames of one window.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np
import scipy
from scipy import stats

from mien.testing.nulls import NULLS, PLANTED, p_values, smooth

RESULT = Path(__file__).parent / "results" / "false_positives.json"
LOW, HIGH = 0.033, 0.069


def of_frames(rng: np.random.Generator) -> list[float]:
    """Return what a test on the frames of one window of 32 believes of two smooth series."""
    series = smooth(rng, 32, 2)
    return [float(stats.spearmanr(*series.T).pvalue)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    wanted = parser.parse_args().studies
    rows, began = {}, time.perf_counter()
    print(f"{'test':<42} {'false positives':>16} {'at 1 %':>8} {'power':>8} {'seconds':>8}")
    for place, (name, study) in enumerate(NULLS.items()):
        start = time.perf_counter()
        p = p_values(study, wanted if "circular" in name else 5 * wanted, seed=place)
        power = (p_values(PLANTED[name], 100, seed=place) <= 0.05).mean()
        rows[name] = {
            "false_positives": round(float((p <= 0.05).mean()), 4),
            "false_positives_at_1_percent": round(float((p <= 0.01).mean()), 4),
            "nulls": len(p),
            "power": round(float(power), 2),
            "seconds": round(time.perf_counter() - start, 1),
        }
        row = rows[name]
        print(
            f"{name:<42} {row['false_positives']:>16.1%} {row['false_positives_at_1_percent']:>8.1%} "
            f"{row['power']:>8.0%} {row['seconds']:>8}"
        )
    naive = float((p_values(of_frames, wanted, seed=0) <= 0.05).mean())
    print(f"{'(a test on the 32 frames of one window)':<42} {naive:>16.1%}")
    result = {
        "level": 0.05,
        "limits": [LOW, HIGH],
        "within_limits": all(LOW <= row["false_positives"] <= HIGH for row in rows.values()),
        "tests": rows,
        "a_test_on_frames": round(naive, 4),
        "seconds": round(time.perf_counter() - began, 1),
        "versions": {"python": platform.python_version(), "numpy": np.__version__, "scipy": scipy.__version__},
    }
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
