"""What a report of a made-up run is made from: as many participants as wanted, and planted figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd

from mien.interfaces import Analysis
from mien.report.charts import BarChart, BarSeries, HeatMap, HeatPanel, LineSeries
from mien.report.material import Faces, Picture, ReportMaterial, VideoLink
from mien.report.overlay import encode
from mien.types import LandmarkScheme

METHODS = ("ig_blur", "ig_mean", "lrp")
_REGIONS = ("right eye", "left eye", "right eyebrow", "left eyebrow", "nose", "mouth", "elsewhere in the face")
_DENSITY = (0.6, 0.7, 0.5, 0.55, 1.4, 4.6, 0.8)


def report_material(
    participants: int = 12,
    *,
    faces: Faces = "full",
    names: Sequence[str] = (),
    scheme: LandmarkScheme | None = None,
    video: bytes | None = None,
) -> ReportMaterial:
    """Return made-up material.

    Parameters
    ----------
    participants : int
        A third of them held out.
    names : sequence of str
        Names of the first participants.
    video : bytes, optional
        Embedded for the recordings shown in detail.
    """
    people = [*names, *(f"person{i:03d}" for i in range(len(names), participants))]
    rng = np.random.default_rng(7)
    recordings, predictions = _recordings(people), _predictions(people, rng)
    held_out = [str(name) for name in predictions.loc[predictions["split"] == "test", "recording"].unique()]
    selected = dict(zip(held_out[:3], ("worst", "median", "best"), strict=False)) | {"carphone": "out of distribution"}
    shown = recordings.set_index("recording")["participant"].to_dict()
    analyses = {
        "region_relevance": _regions(rng),
        "temporal_profile": Analysis(charts=[_time(str(r), role, rng) for r, role in selected.items()]),
        "au_correlation": _units(rng),
    }
    return ReportMaterial(
        config=_config(),
        summary=_summary(len(people), recordings, predictions),
        record=_record(),
        tables={
            "recordings": recordings,
            "predictions": predictions,
            "training": _training(),
            "metrics": pd.DataFrame(_metrics(len(held_out))),
            "evaluation": _evaluation(len(held_out)),
            "confusion": _confusion(),
            "explanations": _explanations(held_out),
        },
        analyses=analyses,
        pictures=[p for r in selected for m in METHODS[:1] for p in _pictures(str(r), shown[r], m, rng)],
        videos=[VideoLink(str(r), shown[r], role, f"videos/{r}.mp4", video, "ig_blur") for r, role in selected.items()]
        + [VideoLink(str(r), shown[r], "", f"videos/{r}.mp4", None, "ig_blur") for r in held_out[3:6]],
        notes=["Method 'lrp' did not explain recording person002_r1: this is a made-up note."],
        limits=["Research use, not a diagnosis. Participants are made up by a random generator."],
        scheme=scheme,
        selected={str(r): role for r, role in selected.items()},
        faces=faces,
    )


def _recordings(people: Sequence[str]) -> pd.DataFrame:
    rows = []
    for i, person in enumerate(people):
        for number in range(2):
            bad = i % 9 == 4 and number == 1
            rows.append(
                {
                    "recording": f"{person}_r{number}",
                    "participant": person,
                    "session": f"{person}_r{number}",
                    "video": f"/data/{person}_r{number}.mp4",
                    "split": "test" if i % 3 == 0 else "train",
                    "fold": 0 if i % 3 == 0 else None,
                    "unseen": i % 3 == 0,
                    "label": i / 3,
                    "status": "excluded" if bad else "used",
                    "stage": "track" if bad else None,
                    "reason": "No face was found in any of its 250 frames." if bad else None,
                    "frames": 250,
                    "valid_frames": 250 - (17 if i % 7 == 3 else 0),
                    "duration_s": 10.0,
                    "rate_hz": 25.0,
                    "width_px": 640,
                    "height_px": 360,
                    "max_faces": 2 if i % 8 == 5 else 1,
                    "frames_with_others": 31 if i % 8 == 5 else 0,
                    "windows": 0 if bad else 20,
                    "consent": i % 2 == 0,
                }
            )
    outside = {**rows[0], "recording": "carphone", "participant": "carphone", "session": "carphone", "fold": None}
    known = {"split": "out_of_distribution", "label": math.nan, "consent": True, "status": "used"}
    return pd.DataFrame([*rows, {**outside, **known}])


def _predictions(people: Sequence[str], rng: np.random.Generator) -> pd.DataFrame:
    rows = [
        {
            "recording": f"{person}_r0",
            "participant": person,
            "session": f"{person}_r0",
            "split": "test" if i % 3 == 0 else "train",
            "fold": 0,
            "window": window,
            "start_s": window / 2,
            "end_s": window / 2 + 0.6,
            "label": i / 3,
            "prediction": i / 3 + rng.normal() * 0.3 + (0.4 if i % 2 else -0.2),
            "valid_fraction": 1.0,
        }
        for i, person in enumerate(people)
        for window in range(20)
    ]
    outside = {**rows[0], "recording": "carphone", "participant": "carphone", "session": "carphone"}
    return pd.DataFrame([*rows, {**outside, "split": "out_of_distribution", "label": math.nan, "prediction": 0.7}])


def _training() -> pd.DataFrame:
    epoch = np.arange(30)
    loss = np.exp(-epoch / 8) + 0.05
    rate = np.full(30, 3e-3)
    columns = {"epoch": epoch, "step": 24 * (epoch + 1), "train_loss": loss, "validation_loss": loss * 1.2 + 0.03}
    return pd.DataFrame({"network": "trained", "fold": 0, **columns, "learning_rate": rate})


def _metrics(people: int) -> list[dict[str, Any]]:
    planted = {"pearson": (0.953, 0.9, 0.98), "ccc": (0.94, 0.88, 0.97), "mae": (0.31, 0.22, 0.43)}
    return [
        {
            "split": split,
            "subset": "all",
            "level": "participant",
            "metric": name,
            "value": v,
            "low": low,
            "high": high,
            "n": people,
        }
        for split in ("test", "train")
        for name, (v, low, high) in planted.items()
    ]


def _evaluation(people: int) -> pd.DataFrame:
    planted = {
        ("bootstrap", "mae"): (0.31, 0.22, 0.43, math.nan),
        ("bootstrap", "mae_of_training_mean"): (1.1, 0.9, 1.3, math.nan),
        ("bootstrap", "rmse"): (0.4, 0.3, 0.5, math.nan),
        ("bootstrap", "rmse_of_training_mean"): (1.3, 1.1, 1.5, math.nan),
        ("bootstrap", "rmse_skill"): (0.69, 0.6, 0.76, math.nan),
        ("sign_flip", "absolute_error_reduction"): (0.79, 0.6, 0.9, 0.001),
        ("sign_flip", "squared_error_reduction"): (1.5, 1.1, 1.9, 0.001),
        ("permuted_labels", "pearson"): (0.953, 0.9, 0.98, 0.001),
        ("permuted_labels", "spearman"): (math.nan, math.nan, math.nan, math.nan),
    }
    rows = [(test, name, *figures) for (test, name), figures in planted.items()]
    table = pd.DataFrame(rows, columns=["test", "statistic", "value", "low", "high", "p"])
    note = np.where(table["value"].isna(), "Not defined: this is a made-up reason.", "")
    return table.assign(split="test", subset="all", level="participant", n=people, note=note)


def _confusion() -> pd.DataFrame:
    counts = {("low", "low"): 4, ("low", "high"): 1, ("high", "low"): 0, ("high", "high"): 1}
    table = pd.DataFrame([(*pair, count) for pair, count in counts.items()])
    table.columns = pd.Index(["true_band", "predicted_band", "count"])
    return table.assign(split="test", level="participant")


def _summary(people: int, recordings: pd.DataFrame, predictions: pd.DataFrame) -> dict[str, Any]:
    regions = [
        {
            "method": method,
            "region": "mouth",
            "density": 4.6 - 1.6 * i,
            "low": 4.1 - 1.6 * i,
            "high": 5.2 - 1.6 * i,
            "untrained_highest": 1.6,
            "participants": people // 3,
        }
        for i, method in enumerate(METHODS)
    ]
    return {
        "notice": "Research use, not a diagnosis.",
        "title": "A made-up run",
        "participants": people,
        "recordings": int((recordings["status"] == "used").sum()),
        "set_aside": int((recordings["status"] == "excluded").sum()),
        "windows": len(predictions),
        "held_out": 6,
        "level": "participant",
        "metrics": _metrics(people // 3),
        "regions": regions,
        "notes": [],
    }


def _explanations(recordings: Sequence[str]) -> pd.DataFrame:
    rows = [
        {
            "method": method,
            "recording": recording,
            "window": 0,
            "output": 1.0,
            "baseline_output": 0.0,
            "completeness": "approximate" if method != "lrp" else "not applicable",
            "absolute": 2.0,
            "gap": 0.01,
            "relative_gap": 0.01 if method != "lrp" else math.nan,
            "flagged": method == "ig_mean" and i == 0,
            "seconds": 0.4,
            "steps": 32.0 if method != "lrp" else math.nan,
        }
        for method in METHODS
        for i, recording in enumerate(recordings)
    ]
    return pd.DataFrame(rows)


def _regions(rng: np.random.Generator) -> Analysis:
    series = []
    for i, method in enumerate(METHODS):
        values = [v * (1 - 0.2 * i) for v in _DENSITY]
        references = [[float(abs(rng.normal(1, 0.25))) for _ in range(5)] for _ in values]
        spread = [0.12 * v + 0.1 for v in values]
        low, high = (
            [v - s for v, s in zip(values, spread, strict=True)],
            [v + s for v, s in zip(values, spread, strict=True)],
        )
        series.append(BarSeries(name=method, values=values, low=low, high=high, references=references))
    chart = BarChart(
        name="region_density",
        title="Density of relevance by region",
        caption="Mean over 4 participants with 95 % bootstrap interval; each diamond is an untrained network.",
        x_label="times chance",
        groups=_REGIONS,
        series=series,
        chance=1.0,
    )
    rows = [
        {"method": s.name, "region": region.replace(" ", "_"), "density": value}
        for s in series
        for region, value in zip(_REGIONS, s.values, strict=True)
    ]
    note = "ig_blur: the mouth has the highest density, 4.60 times chance (95 % interval 4.10 to 5.20)."
    return Analysis({"region_relevance": pd.DataFrame(rows)}, [chart], [note])


def _time(recording: str, role: str, rng: np.random.Generator) -> HeatMap:
    times = np.arange(250) / 25
    wave = np.clip(np.sin(times * 1.7), 0, 1)
    weights = np.array(_DENSITY) - 0.9
    panels = [
        HeatPanel(name=m, values=(weights[:, None] * wave + rng.normal(0, 0.15, (7, 250))).tolist())
        for m in METHODS[:2]
    ]
    traces = [
        LineSeries(name=au, x=times.tolist(), y=(5 * np.clip(np.sin(times * speed), 0, 1)).tolist())
        for au, speed in (("AU04", 0.9), ("AU12", 1.7), ("AU26", 2.6))
    ]
    return HeatMap(
        name=f"time_{role.replace(' ', '_')}",
        title=f"Relevance by region over time: recording {recording} ({role})",
        caption="Signed relevance of each region in each frame.",
        x_label="time, seconds",
        rows=_REGIONS,
        x=times.tolist(),
        panels=panels,
        unit="relevance",
        traces=traces,
        about=recording,
    )


def _units(rng: np.random.Generator) -> Analysis:
    names = ("AU01", "AU02", "AU04", "AU06", "AU12", "AU26")
    values = rng.uniform(-0.4, 0.4, (7, 6))
    values[5, 4], values[0, 3] = 0.91, math.nan
    chart = HeatMap(
        name="au_correlation_mesh",
        title="Relevance against Action Units (mesh)",
        caption="Spearman correlation, mean over participants; empty where it is not defined.",
        rows=_REGIONS,
        x=list(range(6)),
        x_names=names,
        panels=[HeatPanel(name=m, values=(values * k).tolist()) for m, k in zip(METHODS[:2], (1, 0.8), strict=True)],
        unit="Spearman r",
        annotate=True,
        limit=1.0,
    )
    return Analysis(
        charts=[chart], notes=["ig_blur: the relevance of the mouth goes most closely with AU12, r = 0.91."]
    )


def _pictures(recording: str, participant: str, method: str, rng: np.random.Generator) -> list[Picture]:
    pictures = []
    for role, colour in (("top", (205, 80, 70)), ("bottom", (70, 100, 205))):
        for rank in range(4):
            image = np.full((240, 240, 3), 150, np.uint8) + rng.integers(0, 20, (240, 240, 3)).astype(np.uint8)
            image[140:190, 80:160] = colour
            caption = f"{method}, {rank + 0.52:.2f} s, total relevance {'+' if role == 'top' else '-'}0.{9 - rank}"
            pictures.append(Picture(recording, participant, role, caption, encode(image), method))
    return pictures


def _record() -> dict[str, Any]:
    moment = datetime(2025, 1, 1, 12, tzinfo=UTC).isoformat()
    return {
        "command": "run",
        "started": moment,
        "finished": moment,
        "seed": 0,
        "device": "cpu",
        "workers": 2,
        "platform": "Linux",
        "python": "3.11",
        "versions": {"mien": "0.1.0", "torch": "2.13.0"},
        "plugins": {"detector": {"use": "mediapipe", "version": 1, "distribution": "mien==0.1.0"}},
        "weights": {"network": "0123456789abcdef" * 4},
        "durations_s": {"prepare": 71.2, "train": 38.5, "explain": 44.0},
        "reused": {"prepare": 3},
    }


def _config() -> dict[str, Any]:
    return {
        "report": {"title": "Smile intensity: a made-up run"},
        "dataset": {"use": "animated_face"},
        "detector": {"use": "mediapipe"},
        "cropper": {"use": "face", "width": 64, "height": 64},
        "backbone": {"use": "compact_r3d"},
        "objective": {"use": "regression", "name": "AU12"},
        "windows": {"frames": 8, "dilation": 2, "overlap": 0.5, "rate": None},
        "training": {"epochs": 30, "optimizer": "adamw", "learning_rate": 0.003, "batch": 8},
        "split": {"test": 0.25},
        "pooling": {"shape": "hull", "padding": 0.25},
        "explain": {
            "methods": {name: {"use": "integrated_gradients"} for name in METHODS},
            "split": "test",
            "controls": {"networks": 5},
        },
        "action_units": {"mesh": {"use": "mesh_geometry"}},
    }
