"""The hooks that a plugin may implement."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from mien.registry.registry import Registrar
    from mien.types import Recording

hookspec = pluggy.HookspecMarker("mien")
hookimpl = pluggy.HookimplMarker("mien")


@hookspec
def mien_register(registry: Registrar) -> None:
    """Register components: ``registry.attribution("my_method", "my_package.module:MyMethod")``."""


@hookspec
def mien_run_started(config: dict[str, Any], out: Path) -> None:
    """A run begins: its whole configuration, and the folder that its results go to."""


@hookspec
def mien_recording_done(recording: Recording) -> None:
    """A recording was tracked and cropped."""


@hookspec
def mien_explained(method: str, recording: str) -> None:
    """A recording's windows were explained by the method of that name."""


@hookspec
def mien_run_finished(out: Path, summary: dict[str, Any]) -> None:
    """A run ended well: its folder, and what its ``summary.json`` holds."""
