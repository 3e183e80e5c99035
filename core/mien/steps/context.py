"""What all steps of a run share."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mien.parallel import Cluster
from mien.progress import Progress, QuietProgress
from mien.registry import Registry
from mien.store.store import Store

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class RunContext:
    """How a run is carried out; none of it changes the results.

    Attributes
    ----------
    time_limit : float or None
        Seconds that a worker may spend on one task.
    cluster : Cluster or None
        Whose workers do the steps of each recording, in place of ``workers`` here.
    notes : list of str
        Gaps and their reasons, for the report.
    incomplete : bool
        Whether something that was asked for failed: an explanation, an analyzer.
    people_before : set of str
        Participants of another data set or label, on whom the network to start from was trained.
    videos_before : set of Path
        Their videos: whoever is in one of them is not unseen.
    """

    store: Store
    registry: Registry
    workers: int = 1
    device: str = "cpu"
    time_limit: float | None = None
    progress: Progress = field(default_factory=QuietProgress)
    durations: dict[str, float] = field(default_factory=dict)
    reused: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    incomplete: bool = False
    people_before: set[str] = field(default_factory=set)
    videos_before: set[Path] = field(default_factory=set)
    cluster: Cluster | None = None

    def tell(self, hook: str, **news: Any) -> None:
        """Call a hook of every plugin that has it; what failed becomes a note."""
        self.notes.extend(fault for fault in self.registry.tell(hook, **news) if fault not in self.notes)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Add the wall-clock seconds of the block to ``durations[step]``."""
        began = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - began
            self.durations[step] = round(self.durations.get(step, 0.0) + spent, 3)


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    ``exit_code`` is 0 when all is well and 1 when recordings were set aside or something failed; ``summary`` is the
    content of ``summary.json``.
    """

    exit_code: int
    out: Path
    summary: dict[str, Any]
