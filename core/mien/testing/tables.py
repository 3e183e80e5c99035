"""Tables of a small synthetic run with known properties."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mien.regions.bits import region_names
from mien.tables import conform
from mien.types import FloatArray, Recording

FRAMES = 16
SHARES = {"mouth": 0.75, "nose": 0.15, "elsewhere_face": 0.08, "background": 0.02}
AREAS = {"mouth": 20, "nose": 20, "elsewhere_face": 40, "background": 20}


def recordings(people: Sequence[str]) -> pd.DataFrame:
    """Return one used recording a participant, of `FRAMES` frames at 25 per second."""
    frame = pd.DataFrame({"recording": [f"{p}_r0" for p in people], "participant": people})
    return conform(
        "recordings",
        frame.assign(
            session=frame["recording"],
            video="",
            split="test",
            fold=0,
            unseen=True,
            label=np.arange(len(people), dtype=float),
            status="used",
            stage=None,
            reason=None,
            frames=FRAMES,
            valid_frames=FRAMES,
            duration_s=FRAMES / 25,
            rate_hz=25.0,
            width_px=160,
            height_px=160,
            max_faces=1,
            frames_with_others=0,
            windows=1,
            consent=True,
        ),
    )


def predictions(people: Sequence[str]) -> pd.DataFrame:
    """Return predictions half a unit above the label."""
    label = np.arange(len(people), dtype=float)
    frame = pd.DataFrame({"recording": [f"{p}_r0" for p in people], "participant": people})
    return conform(
        "predictions",
        frame.assign(
            session=frame["recording"],
            split="test",
            fold=0,
            window=0,
            start_s=0.0,
            end_s=(FRAMES - 1) / 25,
            label=label,
            prediction=label + 0.5,
            valid_fraction=1.0,
        ),
    )


def intensity() -> FloatArray:
    """Return the AU12 of every recording over its frames, 0 to 5."""
    return np.asarray(2.5 + 2.5 * np.sin(np.arange(FRAMES) * 0.9))


def relevance(people: Sequence[str]) -> pd.DataFrame:
    """Return relevance whose mouth follows AU12 and holds three quarters of the total."""
    rows = []
    for person in people:
        for frame, strength in enumerate(intensity() + 0.1):
            rows += _frame_rows(person, frame, strength)
    return conform("relevance", pd.DataFrame(rows))


def _frame_rows(person: str, frame: int, strength: float) -> list[dict[str, object]]:
    common = {
        "method": "gradient",
        "recording": f"{person}_r0",
        "participant": person,
        "split": "test",
        "window": 0,
        "frame": frame,
        "time_s": frame / 25,
        "valid": True,
    }
    rows = []
    for region in (*region_names[:-1], "elsewhere_face", "background"):
        value = strength * SHARES.get(region, 0.0)
        rows.append({**common, "region": region, **_sums(value), "area": AREAS.get(region, 0)})
    return [*rows, {**common, "region": "total", **_sums(strength), "area": sum(AREAS.values())}]


def _sums(value: float) -> dict[str, float]:
    return {"signed": value, "positive": value, "negative": 0.0, "absolute": value}


def control_relevance(people: Sequence[str]) -> pd.DataFrame:
    """Return two untrained networks, and two trained with permuted labels, whose relevance is spread by area."""
    own = relevance(people)
    sums = own.groupby(["method", "recording", "participant", "split", "window", "region"], observed=True, sort=False)
    summed = sums[["signed", "positive", "negative", "absolute", "area"]].sum().reset_index()
    total = summed.loc[summed["region"] == "total", "area"].iloc[0]
    summed["absolute"] = summed["positive"] = summed["signed"] = summed["area"] / total
    summed["negative"] = 0.0
    networks = [summed.assign(kind=kind, network=n) for kind in ("untrained", "permuted") for n in range(2)]
    return conform("control_relevance", pd.concat(networks, ignore_index=True))


def action_units(people: Sequence[str]) -> pd.DataFrame:
    """Return AU12 as `intensity` has it, and an AU04 that never moves."""
    parts = []
    for person in people:
        for au, values in (("AU12", intensity()), ("AU04", np.zeros(FRAMES))):
            frame = pd.DataFrame({"frame": np.arange(FRAMES), "intensity": values})
            parts.append(
                frame.assign(
                    source="planted",
                    recording=f"{person}_r0",
                    participant=person,
                    time_s=frame["frame"] / 25,
                    au=au,
                    presence=np.nan,
                )
            )
    return conform("action_units", pd.concat(parts, ignore_index=True))


def covariates(people: Sequence[str]) -> pd.DataFrame:
    """Return an age (20, 21, ...) and a group (``a``, ``b``, ``a``, ...) of each recording."""
    frame = pd.DataFrame({"recording": [f"{p}_r0" for p in people], "participant": people})
    places = np.arange(len(people))
    return frame.assign(age=20.0 + places, group=["ab"[place % 2] for place in places])


def listed(recordings: pd.DataFrame, covariates: pd.DataFrame) -> list[Recording]:
    """Return the recordings of a run as its data set listed them, from the run's tables."""
    further = covariates.set_index("recording").drop(columns="participant")
    return [
        Recording(
            id=str(row["recording"]),
            participant=str(row["participant"]),
            video=Path(str(row["video"])),
            label=float(row["label"]),
            covariates={str(name): value for name, value in further.loc[row["recording"]].items()},
        )
        for _, row in recordings.iterrows()
    ]
