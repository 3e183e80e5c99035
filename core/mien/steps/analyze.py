"""Run the analyzers; one that fails costs its own figures and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from mien.errors import MienError
from mien.interfaces import Analysis, Analyzer, RunView
from mien.steps.context import RunContext

log = logging.getLogger(__name__)


def analyze(view: RunView, analyzers: Mapping[str, Analyzer], context: RunContext) -> dict[str, Analysis]:
    """Return what each analyzer found, by its name in the configuration."""
    found = {}
    with context.progress.task("analyzing", len(analyzers), "analyzers") as bar:
        for name, analyzer in analyzers.items():
            try:
                found[name] = analyzer.analyze(view)
            except MienError as error:
                log.warning("analyzer %s: %s", name, error)
                context.notes.append(f"Analyzer '{name}' gave no result: {error}")
            bar.advance()
    return found
