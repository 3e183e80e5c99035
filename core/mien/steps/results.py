"""Puts the stored results of a run together as its tables."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from mien.clips.source import ClipSource, PreparedRecording
from mien.errors import printable
from mien.interfaces import AttributionMethod
from mien.regions.pooling import region_rows
from mien.steps.action_units import read_action_units
from mien.steps.explain import ExplainTask
from mien.steps.track import track_info
from mien.tables import conform, empty
from mien.training.splits import Fold, judging_fold
from mien.types import Exclusion, Recording

GAP_FLOOR = 0.1
"""A completeness gap is divided by the change of the output, but by no less than so many standard deviations."""

_PROMISES = {"none": "not applicable"}

_SUMS = ["signed", "positive", "negative", "absolute", "area"]


def recordings_table(
    prepared: Sequence[PreparedRecording],
    exclusions: Iterable[Exclusion],
    recordings: Sequence[Recording],
    source: ClipSource,
    folds: Sequence[Fold] = (),
    known_before: frozenset[str] = frozenset(),
) -> pd.DataFrame:
    """Return one row a recording; those set aside come last, with stage and reason.

    Parameters
    ----------
    recordings : sequence of Recording
        All that the run began with: what is known of those set aside.
    folds : sequence of Fold
        How they were divided; empty for videos that belong to no data set.
    known_before : frozenset of str
        Participants on whom the network that all folds began with was trained.
    """
    place = _Places(folds, [item.recording for item in prepared], known_before)
    rows = [_used_row(item, source) | place.of(item.recording.id, item.recording.participant) for item in prepared]
    taken = {item.recording.id for item in prepared}
    # A row of the data set that was set aside may repeat the id of a recording that is used.
    known = {recording.id: recording for recording in recordings if recording.id not in taken}
    for exclusion in exclusions:
        recording = known.pop(exclusion.recording, None)
        row = _excluded_row(exclusion, recording)
        row |= place.of(recording.id if recording else "", exclusion.participant)
        row["recording"] = _free(exclusion.recording, taken)
        row["session"] = row["session"] or row["recording"]
        taken.add(str(row["recording"]))
        rows.append(row)
    return conform("recordings", pd.DataFrame(rows))


def _free(id_: str, taken: Collection[str]) -> str:
    """Return the id, numbered when it is taken: a data set may set a row aside that repeats another's recording."""
    numbered = (f"{id_} ({number})" for number in itertools.count(2))
    return id_ if id_ not in taken else next(name for name in numbered if name not in taken)


class _Places:
    """Where recordings stand in the folds."""

    def __init__(self, folds: Sequence[Fold], used: Sequence[Recording], known_before: frozenset[str]) -> None:
        self._judging = judging_fold(folds) if folds else {}
        self._held_out = {id_ for fold in folds for id_ in fold.held_out}
        self._seen = {fold.number: fold.seen(used) | known_before for fold in folds}

    def of(self, recording: str, participant: str) -> dict[str, object]:
        judging = self._judging.get(recording)
        # What no network judges counts as unseen where some network has not seen the person.
        seen = self._seen.values() if judging is None else [self._seen[judging]]
        return {
            "fold": judging if recording in self._held_out else None,
            "unseen": not self._seen or any(participant not in people for people in seen),
        }


def _used_row(item: PreparedRecording, source: ClipSource) -> dict[str, object]:
    info = track_info(item.track)
    return {
        **_identity(item.recording),
        "status": "used",
        "stage": None,
        "reason": None,
        "frames": info.frames,
        "valid_frames": info.valid_frames,
        "duration_s": info.duration,
        "rate_hz": info.rate,
        "width_px": info.width,
        "height_px": info.height,
        "max_faces": info.max_faces,
        "frames_with_others": info.frames_with_others,
        "windows": len(source.windows(item.recording.id)),
    }


def _excluded_row(exclusion: Exclusion, recording: Recording | None) -> dict[str, object]:
    identity: dict[str, object] = {
        "recording": exclusion.recording,
        "participant": exclusion.participant,
        "session": "",
        "video": printable(exclusion.video),
        "split": "none",
        "label": None,
        "consent": False,
    }
    if recording is not None:
        identity = _identity(recording)
    return {
        **identity,
        "status": "excluded",
        "stage": exclusion.stage,
        "reason": exclusion.reason,
        **dict.fromkeys(["frames", "valid_frames", "duration_s", "rate_hz", "width_px", "height_px"]),
        **dict.fromkeys(["max_faces", "frames_with_others", "windows"]),
    }


def _identity(recording: Recording) -> dict[str, object]:
    return {
        "recording": recording.id,
        "participant": recording.participant,
        "session": recording.session or recording.id,
        "video": printable(str(recording.video)),
        "split": recording.split or "out_of_distribution",
        "label": recording.label,
        "consent": recording.consent,
    }


def relevance_tables(
    found: Mapping[ExplainTask, Path],
    recordings: Mapping[str, Recording],
    names: tuple[str, ...],
    methods: Mapping[str, AttributionMethod],
) -> dict[str, pd.DataFrame]:
    """Return the tables ``relevance``, ``relevance_cells``, ``control_relevance``, ``explanations``, ``diagnostics``.

    Parameters
    ----------
    methods : mapping of str to AttributionMethod
        By the user's names: their tolerances, and what they promise of the sum of relevance.
    """
    cells, explanations, diagnostics, controls = [], [], [], []
    for task, folder in found.items():
        # Recordings of the same content share a stored result, which says whose it was first.
        names_of_task = {"method": task.method, "recording": task.recording}
        own = pd.read_parquet(folder / "cells.parquet").assign(**names_of_task)
        if not task.network.trained:
            who = {"kind": task.network.role, "network": task.network.index}
            controls.append(_summed(region_rows(own[own["valid"]], names)).assign(**who))
            continue
        cells.append(own)
        explanations.append(pd.read_parquet(folder / "explanations.parquet").assign(**names_of_task))
        diagnostics.append(pd.read_parquet(folder / "diagnostics.parquet").assign(**names_of_task))
    all_cells = _concat(cells)
    relevance = region_rows(all_cells, names) if len(all_cells) else all_cells
    return {
        "relevance": _table("relevance", _with_people(relevance, recordings)),
        "relevance_cells": _table("relevance_cells", all_cells.drop(columns=["time_s", "valid"], errors="ignore")),
        "control_relevance": _table("control_relevance", _with_people(_concat(controls), recordings)),
        "explanations": _table("explanations", _judged(_concat(explanations), recordings, methods)),
        "diagnostics": _table("diagnostics", _concat(diagnostics)),
    }


def _judged(
    explanations: pd.DataFrame, recordings: Mapping[str, Recording], methods: Mapping[str, AttributionMethod]
) -> pd.DataFrame:
    if not len(explanations):
        return explanations
    promised = {name: _PROMISES.get(method.completeness, method.completeness) for name, method in methods.items()}
    held_out = explanations["recording"].map(lambda id_: recordings[id_].split == "test")
    judged = with_relative_gaps(explanations, {name: m.tolerance for name, m in methods.items()}, held_out)
    return judged.assign(completeness=explanations["method"].map(promised))


def with_relative_gaps(
    explanations: pd.DataFrame, tolerances: Mapping[str, float], held_out: pd.Series[bool] | None = None
) -> pd.DataFrame:
    """Return the explanations with the columns ``relative_gap`` and ``flagged``.

    The gap is relative to ``|f(x) - f(baseline)|``, but to no less than `GAP_FLOOR` standard deviations of f over
    the method's held-out clips: where an output hardly differs from the baseline's, a gap that is nothing beside the
    differences between clips says nothing.  With one clip, or outputs that are all the same, there is no such floor.

    Parameters
    ----------
    held_out : Series of bool, optional
        Which rows are held out; all, where none is or nothing is given.
    """
    if not len(explanations):
        return explanations
    chosen = explanations if held_out is None or not held_out.any() else explanations[held_out]
    spread = explanations["method"].map(chosen.groupby("method")["output"].std(ddof=0))
    change = (explanations["output"] - explanations["baseline_output"].fillna(0)).abs()
    gap = explanations["gap"].abs()
    # A gap of nothing is none, whatever it is relative to.
    relative = (gap / np.maximum(change, GAP_FLOOR * spread)).where(gap != 0, 0.0).where(gap.notna())
    return explanations.assign(relative_gap=relative, flagged=relative > explanations["method"].map(tolerances))


def _table(name: str, rows: pd.DataFrame) -> pd.DataFrame:
    return conform(name, rows) if len(rows) else empty(name)


def _summed(rows: pd.DataFrame) -> pd.DataFrame:
    keys = ["method", "recording", "window", "region"]
    return rows.groupby(keys, sort=False, observed=True)[_SUMS].sum().reset_index()


def action_units_table(stored: Mapping[str, Mapping[str, Path]], recordings: Mapping[str, Recording]) -> pd.DataFrame:
    """Return the Action Units of all recordings, long."""
    parts = [
        read_action_units(folder).assign(source=name, recording=recording)
        for name, folders in stored.items()
        for recording, folder in folders.items()
    ]
    rows = _concat(parts)
    if len(rows):
        rows["participant"] = rows["recording"].map({id_: r.participant for id_, r in recordings.items()})
    return _table("action_units", rows)


def _with_people(table: pd.DataFrame, recordings: Mapping[str, Recording]) -> pd.DataFrame:
    if not len(table):
        return table
    participants = {id_: recording.participant for id_, recording in recordings.items()}
    splits = {id_: recording.split or "out_of_distribution" for id_, recording in recordings.items()}
    return table.assign(participant=table["recording"].map(participants), split=table["recording"].map(splits))


def _concat(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
