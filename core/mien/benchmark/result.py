"""What a benchmark measured, before it is summed up."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from mien.benchmark.methods import describe_methods
from mien.benchmark.tables import MODELS, SCORES
from mien.errors import DataError
from mien.interfaces import AttributionMethod
from mien.report.privacy import without_paths
from mien.run.record import library_versions
from mien.tables import conform, empty

_KEY = ["task", "seed", "network", "index", "method", "measure", "participant"]


@dataclass(frozen=True)
class BenchmarkResult:
    """The figures of every method in every network.

    Attributes
    ----------
    scores : DataFrame
        `mien.benchmark.tables.SCORES`.
    models : DataFrame
        `mien.benchmark.tables.MODELS`; without rows for a network of the user's own.
    about : mapping
        Ready for JSON, as `about_run` begins it: date, machine, versions, methods; and ``recipe``, ``notes``, ...

    Raises
    ------
    DataError
        When a table is not as described, or a figure is there twice.
    """

    scores: pd.DataFrame
    models: pd.DataFrame = field(default_factory=lambda: empty(MODELS))
    about: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        scores, models = conform(SCORES, self.scores), conform(MODELS, self.models)
        _refuse_repeated(scores, _KEY, SCORES.name)
        _refuse_repeated(models, ["task", "seed", "network"], MODELS.name)
        object.__setattr__(self, "scores", scores)
        object.__setattr__(self, "models", models)

    @property
    def planted(self) -> bool:
        """Whether the truth was planted; not so for a network of the user's own."""
        return bool((self.scores["task"] != "").any())

    @property
    def methods(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of each method that was measured, in the order of the scores."""
        known: Mapping[str, Mapping[str, Any]] = self.about.get("methods", {})
        return {str(name): known.get(str(name), {}) for name in self.scores["method"].unique()}

    @property
    def uses(self) -> dict[str, str]:
        """The registered id of each method; variants share one."""
        return {name: str(about.get("use", name)) for name, about in self.methods.items()}


def _refuse_repeated(table: pd.DataFrame, key: list[str], name: str) -> None:
    repeated = table[table.duplicated(key)]
    if len(repeated):
        what = ", ".join(f"{column} {repeated.iloc[0][column]}" for column in key)
        raise DataError(f"A figure is there twice: {what}.", where=f"table '{name}'")


def about_run(
    methods: Mapping[str, AttributionMethod],
    refused: Mapping[str, str] | None = None,
    *,
    device: str = "cpu",
    workers: int = 1,
    seed: int = 0,
    notes: Sequence[str] = (),
    **further: Any,
) -> dict[str, Any]:
    """Return how a benchmark is carried out, ready for JSON: when, where, with what, and whatever is added.

    Paths in reasons and notes are left out.

    Parameters
    ----------
    refused : mapping of str to str, optional
        Methods that could not be used, with the reason.
    seed : int
        Of the bootstrap.
    notes : sequence of str
        What is to be known; what is said twice is told once.
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine(device),
        "workers": workers,
        "python": sys.version.split()[0],
        "versions": library_versions(),
        "seed": seed,
        "methods": describe_methods(methods),
        "refused": {name: without_paths(reason) for name, reason in (refused or {}).items()},
        **further,
        "notes": list(dict.fromkeys(without_paths(note) for note in notes)),
    }


def machine(device: str) -> str:
    """Return the processor, its cores, the memory and the GPU in use, in words; nothing that names the machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parts = [f"{_processor()}, {cores} core{'s' if cores != 1 else ''}"]
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        parts.append(f"{os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') / 2**30:.0f} GB of memory")
    if device != "cpu":
        import torch

        parts.append(torch.cuda.get_device_name(device) if torch.cuda.is_available() else device)
    return ", ".join([*parts, platform.system()])


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
