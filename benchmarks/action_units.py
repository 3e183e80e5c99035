"""How closely each source of Action Units follows those that are planted in animated faces.

``python benchmarks/action_units.py --model face_landmarker.task`` writes ``benchmarks/results/action_units.json`` and
prints it as a table: Spearman's correlation over time between the planted and the read intensity, mean over
participants, with the 95 % bootstrap interval over participants.  ``alone``: one Action Unit comes and goes every two
seconds, the others rest.  ``together``: all ten do, independently.  The head moves in both.

``openface_csv`` reads the planted intensities from the file beside the video.  The other sources read tracks:
``exact`` are the renderer's landmarks, ``face_mesh`` those of the models in MediaPipe's wheel, ``tasks`` those of the
model file (left out without ``--model``); ``68`` are the same points in the scheme of 68.  A participant is a warp of
one portrait: the figures say whether a source follows movements, not how it does on other people.
"""

from __future__ import annotations

import argparse
import csv
import json
import platform
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from mien.registry import load_registry
from mien.types import FaceTrack, Recording
from mien_plugins.action_units.blendshapes import Blendshapes
from mien_plugins.action_units.mesh_geometry import MeshGeometry
from mien_plugins.action_units.openface_csv import OpenFaceCsv
from mien_plugins.datasets.animated_face import AnimatedFace
from mien_plugins.datasets.animated_face.files import openface_table
from mien_plugins.datasets.animated_face.names import NAMES
from mien_plugins.datasets.animated_face.pose import draw_poses
from mien_plugins.datasets.animated_face.schedule import course
from mien_plugins.detectors.mediapipe import MediaPipe
from mien_plugins.landmarks.ibug_68 import MESH_POINTS

RESULTS = Path(__file__).parent / "results" / "action_units.json"
RATE = 25
PERIOD = 2.0  # seconds

Correlations = dict[tuple[str, str, str], list[float]]
"""Source, situation and Action Unit to Spearman's correlation of each participant; NaN where it is not given."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--participants", type=int, default=6)
    parser.add_argument("--frames", type=int, default=150, help="of a recording; twice as many with all together")
    parser.add_argument("--model", type=Path, help="a face_landmarker.task file")
    options = parser.parse_args()
    found: Correlations = {}
    for participant in range(options.participants):
        for source, situation, au, value in measure(participant, options.frames, options.model):
            found.setdefault((source, situation, au), []).append(value)
    result = {
        "machine": f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}",
        "participants": options.participants,
        "frames": {"alone": options.frames, "together": 2 * options.frames},
        "agreement": nested(found),
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print_table(result["agreement"])


def measure(participant: int, frames: int, model: Path | None) -> Iterator[tuple[str, str, str, float]]:
    """Yield source, situation, Action Unit and correlation for one participant."""
    renderer = AnimatedFace().renderer(participant)
    for situation, named in [(au, (au,)) for au in NAMES] + [("together", NAMES)]:
        random = np.random.default_rng([participant, sum(situation.encode())])
        units = np.round(planted(random, situation, frames), 3)  # what the file beside the video holds
        poses = draw_poses(random, len(units), RATE)
        tracks = {"exact": track(np.stack([renderer.landmarks(u, p) for u, p in zip(units, poses, strict=True)]))}
        images = np.stack([renderer.frame(u, p) for u, p in zip(units, poses, strict=True)])
        tracks["face_mesh"] = detected(MediaPipe(api="face_mesh"), images)
        if model is not None:
            tracks["tasks"] = detected(MediaPipe(model=model), images)
        for source, trace in traces(units, tracks):
            for au in named:
                value = agreement(trace, au, units)
                yield source, "together" if situation == "together" else "alone", au, value
        print(f"participant {participant}, {situation}", flush=True)


def planted(random: np.random.Generator, situation: str, frames: int) -> np.ndarray:
    if situation == "together":
        columns = [course(random, random.uniform(0.2, 0.8), 2 * frames, RATE, 2.5, 0.6) for _ in NAMES]
        return np.stack(columns, 1)
    units = np.zeros((frames, len(NAMES)))
    phase = np.arange(frames) / RATE / PERIOD + random.uniform()
    units[:, NAMES.index(situation)] = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    return units


def track(landmarks: np.ndarray, **extras: np.ndarray) -> FaceTrack:
    frames = len(landmarks)
    return FaceTrack(
        scheme="mediapipe_478" if landmarks.shape[1] == 478 else "ibug_68",
        times=np.arange(frames) / RATE,
        boxes=np.concatenate([landmarks.min(1), landmarks.max(1)], 1),
        confidence=np.isfinite(landmarks).all((1, 2)).astype(np.float32),
        landmarks=landmarks,
        faces=np.ones(frames, np.int32),
        width=256,
        height=256,
        extras=extras,
    )


def detected(detector: MediaPipe, images: np.ndarray) -> FaceTrack:
    with detector.open("cpu") as session:
        faces = session.detect(images, np.arange(len(images)) / RATE)
    landmarks = np.stack([first(face.landmarks) for face in faces])
    extras = {name: np.stack([first(face.extras[name]) for face in faces]) for name in detector.extras}
    return track(landmarks, **extras)


def first(values: np.ndarray) -> np.ndarray:
    """Return the first face's values, NaN without a face."""
    return values[0] if len(values) else np.full(values.shape[1:], np.nan, np.float32)


def traces(units: np.ndarray, tracks: Mapping[str, FaceTrack]) -> Iterator[tuple[str, Any]]:
    registry = load_registry()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "planted.csv"
        file.write_text(openface_table(units, RATE), encoding="utf-8")
        recording = Recording("planted", "anyone", Path(folder) / "planted.mp4", action_units=file)
        exact = tracks["exact"]
        yield "openface_csv", OpenFaceCsv().action_units(recording, exact, registry.scheme(exact.scheme))
        for name, own in tracks.items():
            if "blendshapes" in own.extras:
                yield f"blendshapes, {name}", Blendshapes().action_units(recording, own, registry.scheme(own.scheme))
            few = track(own.landmarks[:, list(MESH_POINTS)])
            for label, given in ((name, own), (f"{name} 68", few)):
                trace = MeshGeometry().action_units(recording, given, registry.scheme(given.scheme))
                yield f"mesh_geometry, {label}", trace


def agreement(trace: Any, au: str, units: np.ndarray) -> float:
    if au not in trace.names:
        return float("nan")
    read = trace.intensity[:, trace.names.index(au)]
    seen = np.isfinite(read)
    return float(spearmanr(read[seen], units[seen, NAMES.index(au)]).statistic)


def nested(found: Correlations) -> dict[str, dict[str, dict[str, Any]]]:
    result: dict[str, dict[str, dict[str, Any]]] = {}
    for (source, situation, au), values in found.items():
        result.setdefault(source, {}).setdefault(situation, {})[au] = summary(values)
    return result


def summary(values: list[float]) -> dict[str, float] | None:
    if not np.isfinite(values).all():
        return None  # the source does not see this Action Unit
    draws = np.random.default_rng(0).choice(values, (2000, len(values))).mean(1)
    low, high = np.quantile(draws, [0.025, 0.975])
    figures = {"mean": statistics.mean(values), "low": low, "high": high, "lowest": min(values)}
    return {name: round(float(value), 3) for name, value in figures.items()}


def print_table(agreements: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    table = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    for situation in ("alone", "together"):
        table.writerow([situation, *NAMES])
        for source, by_situation in agreements.items():
            cells = [by_situation[situation][au] for au in NAMES]
            shown = [f"{cell['mean']:.2f} [{cell['low']:.2f}, {cell['high']:.2f}]" if cell else "-" for cell in cells]
            table.writerow([source, *shown])


if __name__ == "__main__":
    main()
