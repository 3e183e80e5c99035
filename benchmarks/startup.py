"""How long the light commands take from the shell's point of view.

Writes ``benchmarks/results/startup.json``: the median of several runs, seconds, and which heavy libraries were
imported.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

REPEATS = 11
RESULTS = Path(__file__).parent / "results" / "startup.json"
HEAVY = ("torch", "numpy", "pandas", "cv2", "av", "mediapipe")
DEMO = str(files("mien_plugins") / "configs" / "demo.yaml")
COMMANDS = {
    "mien --help": (["--help"], 0.3),
    "mien plugins list": (["plugins", "list"], 0.3),
    "mien config check": (["config", "check", DEMO], 1.0),
}
IMPORTS = """
import sys, contextlib, io
from mien.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print(*sorted(sys.modules))
"""


def seconds(arguments: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "mien", *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def heavy_imports(arguments: list[str]) -> list[str]:
    done = subprocess.run([sys.executable, "-c", IMPORTS, *arguments], check=True, capture_output=True, text=True)
    return [name for name in HEAVY if name in done.stdout.split()]


def measure(arguments: list[str], limit: float) -> dict[str, object]:
    seconds(arguments)  # the first run writes byte code
    times = [seconds(arguments) for _ in range(REPEATS)]
    median = statistics.median(times)
    return {
        "median_s": round(median, 3),
        "min_s": round(min(times), 3),
        "limit_s": limit,
        "within": median < limit,
        "heavy_imports": heavy_imports(arguments),
    }


def main() -> int:
    bare = statistics.median(_bare() for _ in range(REPEATS))
    commands = {name: measure(arguments, limit) for name, (arguments, limit) in COMMANDS.items()}
    machine = {"cpus": os.cpu_count(), "python": platform.python_version(), "machine": platform.machine()}
    results = {"machine": machine, "repeats": REPEATS, "bare_python_s": round(bare, 3), "commands": commands}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(results, indent=2))
    return 0 if all(command["within"] for command in commands.values()) else 1


def _bare() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", ""], check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
