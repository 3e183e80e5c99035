"""The hooks that a plugin may implement.

A plugin takes those arguments of a hook that it names, in any order.  What it raises is told to the user with the
name of its distribution, and hurts nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    import pandas as pd

    from mien.interfaces.report_section import ReportSection
    from mien.registry.commands import Commands
    from mien.registry.registry import Registrar
    from mien.types import Recording

hookspec = pluggy.HookspecMarker("mien")
hookimpl = pluggy.HookimplMarker("mien")
"""Marks a function of a manifest as the implementation of the hook of its name."""


@hookspec
def mien_register(registry: Registrar) -> None:
    """Register components: ``registry.attribution("my_method", "my_package.module:MyMethod")``."""


@hookspec
def mien_commands(commands: Commands) -> None:
    """Add sub-commands to ``mien``: ``commands.add("my_command", "my_package.module:app", help="...")``."""


@hookspec
def mien_report_section(
    config: Mapping[str, Any], summary: Mapping[str, Any], tables: Mapping[str, pd.DataFrame]
) -> ReportSection | None:
    """Return a section of the run's report, or None for none.

    Parameters
    ----------
    config : mapping
        The run's whole configuration.
    summary : mapping
        What ``summary.json`` holds.
    tables : mapping of str to DataFrame
        All tables of the run, those of analyzers included, each as a copy; ``schemas/tables`` describes their
        columns.  With ``report.faces: none`` people and recordings have pseudonyms in them.
    """


@hookspec
def mien_run_started(config: dict[str, Any], out: Path) -> None:
    """A run begins: its whole configuration, and the folder that its results go to."""


@hookspec
def mien_recording_done(recording: Recording) -> None:
    """A recording was tracked and cropped; not told of one whose results the store held."""


@hookspec
def mien_trained(network: str, fold: int, checkpoint: Path) -> None:
    """A network was trained; not told of one that the store held.

    Parameters
    ----------
    network : str
        ``trained``, or ``permuted 0``, ``permuted 1``, ... for controls.
    fold : int
        The fold that it was trained for; 0 where participants are divided once.
    checkpoint : Path
        The folder of its checkpoint in the store; not to be written to.
    """


@hookspec
def mien_explained(method: str, recording: str) -> None:
    """A recording's windows were explained by the method of that name; not told of what the store held."""


@hookspec
def mien_run_finished(out: Path, summary: dict[str, Any]) -> None:
    """A run ended well: its folder, and what its ``summary.json`` holds."""
