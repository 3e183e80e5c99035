"""What mien finds: the doors of this plugin.  Nothing heavy is imported before it is needed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien import Commands, Recording, Registrar, ReportSection, hookimpl
from mien_hello.diary import Diary

if TYPE_CHECKING:
    import pandas as pd

MIEN_API = "1.0"

_diary = Diary()


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the landmark scheme."""
    registry.landmarks("wflw_98", "mien_hello.scheme:scheme", help="WFLW, 98 points")


@hookimpl
def mien_commands(commands: Commands) -> None:
    """Add ``mien hello``."""
    commands.add("hello", "mien_hello.commands:app", help="Say what a run found.")


@hookimpl
def mien_report_section(tables: Mapping[str, pd.DataFrame]) -> ReportSection | None:
    """Add a section on the held-out participants."""
    from mien_hello.section import held_out_section

    return held_out_section(tables["predictions"])


@hookimpl
def mien_run_started(config: dict[str, Any], out: Path) -> None:
    """Begin the diary."""
    _diary.begin(out, f"a run with the backbone {config['backbone']['use']}")


@hookimpl
def mien_recording_done(recording: Recording) -> None:
    """Note a recording."""
    _diary.note(f"tracked and cropped {recording.id}")


@hookimpl
def mien_trained(network: str, fold: int) -> None:
    """Note a network."""
    _diary.note(f"trained the network '{network}' of fold {fold}")


@hookimpl
def mien_explained(method: str, recording: str) -> None:
    """Note an explanation."""
    _diary.note(f"explained {recording} with {method}")


@hookimpl
def mien_run_finished(summary: dict[str, Any]) -> None:
    """End the diary."""
    _diary.note(f"finished: {summary['participants']} participants, {summary['set_aside']} recordings set aside")
