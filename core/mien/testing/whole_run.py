"""Puts a component into a whole small run, from videos to a report, in a second or two.

Everything around it is of `mien.testing.parts`.  What does not change between two runs is taken from one store, which
lives as long as the process.  Figures for print are drawn, but not written: embedding their fonts would take longer
than all the rest.
"""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import pluggy

from mien.interfaces import Component
from mien.registry import KINDS, Entry, Registry, hooks, load_registry

if TYPE_CHECKING:
    import pandas as pd

    from mien.steps.context import RunOutcome
    from mien.types import LandmarkScheme

_OWNER = "mien.testing"


@dataclass(frozen=True)
class SmallRun:
    """A run that has ended.

    Attributes
    ----------
    out : Path
        The folder of its results.
    outcome : RunOutcome
        Exit code and summary.
    record : dict
        The content of ``run.json``.
    """

    out: Path
    outcome: RunOutcome
    record: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """Return a table that it wrote."""
        import pandas as pd

        return pd.read_parquet(self.out / "tables" / f"{name}.parquet")

    @property
    def notes(self) -> list[str]:
        """What the report says went wrong."""
        return [str(note) for note in self.outcome.summary["notes"]]


def small_run(
    out: Path, parts: Mapping[str, Any], *, frames: int = 8, scheme: Callable[[], LandmarkScheme] | None = None
) -> SmallRun:
    """Run from videos to a report, with some parts of the configuration replaced.

    Parameters
    ----------
    out : Path
        The folder of the results.
    parts : mapping of str to object
        Components and sections by their key in the configuration: ``detector``, ``cropper``, ``windows``; and
        ``methods``, which stands for ``explain.methods``.
    frames : int
        Of each video.
    scheme : callable, optional
        Gives a landmark scheme that need not be installed; the face is then told in it.
    """
    from mien.config.run_config import RunConfig
    from mien.steps import pipeline
    from mien.store.store import Store

    registry = _registry(parts, scheme)
    config = RunConfig(**_document(registry, dict(parts), frames, scheme))
    with _known(registry), _light_figures():
        outcome = pipeline.run(config, out, store=Store(_store()), device="cpu", registry=registry)
    return SmallRun(out, outcome, json.loads((out / "run.json").read_text(encoding="utf-8")))


def _document(
    registry: Registry, parts: dict[str, Any], frames: int, scheme: Callable[[], LandmarkScheme] | None
) -> dict[str, Any]:
    from mien.testing.parts import KnownFace, KnownPoints, SmallNetwork, SmallStudy

    detector = KnownFace() if scheme is None else KnownFace(scheme_id=scheme().id)
    methods = parts.pop("methods", None) or {"method": registry.create("attribution", "input_x_gradient")}
    cropper, backbone = parts.get("cropper"), parts.get("backbone")
    layout = cropper.layout if cropper else backbone.input_spec.layout if backbone else "video"
    points = layout == "landmarks"
    size = {"height": 16, "width": 16}
    return {
        "dataset": SmallStudy(frames=frames),
        "detector": detector,
        "cropper": KnownPoints() if points else registry.create("cropper", "face", size),
        "windows": {"frames": min(4, frames), "overlap": 0.0},
        "backbone": SmallNetwork(layout=layout, frames=min(4, frames)),
        "objective": registry.create("objective", "regression"),
        "training": {"epochs": 1, "batch": 4, "augment": {"phase": False, **({"shift": 0} if points else {})}},
        "explain": {
            "methods": methods,
            "windows_per_recording": 1,
            "controls": {"networks": 1, "windows_per_participant": 1},
        },
        "report": {"videos": 0, "title": "A small run"},
    } | parts


def _registry(parts: Mapping[str, Any], scheme: Callable[[], LandmarkScheme] | None) -> Registry:
    """Return what is installed and the components of a run, each under its own id."""
    from mien.testing import parts as own

    manager = pluggy.PluginManager("mien")
    manager.add_hookspecs(hooks)
    registry = Registry(manager)
    for entry in load_registry().entries():
        registry.add(entry)
    for made in (own.SmallStudy, own.KnownFace, own.KnownPoints, own.SmallNetwork):
        _register(registry, made.__name__, made)
    for part in _components(parts):
        _register(registry, part.use, type(part))
    if scheme is not None:
        id_ = scheme().id
        if id_ not in registry.ids("landmarks"):
            registry.add(Entry("landmarks", id_, f"{scheme.__module__}:scheme", _OWNER, _OWNER))
        registry._classes["landmarks", id_] = scheme
    return registry


def _components(parts: Mapping[str, Any]) -> Iterator[Component]:
    for part in parts.values():
        if isinstance(part, Component):
            yield part
        elif isinstance(part, Mapping):
            yield from _components(part)


def _register(registry: Registry, id_: str, component: type[Component]) -> None:
    kind = next(kind.id for kind in KINDS.values() if issubclass(component, kind.load_interface()))
    if id_ not in registry.ids(kind):
        registry.add(Entry(kind, id_, f"{component.__module__}:{component.__name__}", _OWNER, f"{_OWNER}==0"))
    registry._classes[kind, id_] = component


@contextmanager
def _known(registry: Registry) -> Iterator[None]:
    """Let what asks for the installed plugins find those of the run as well."""
    with (
        mock.patch("mien.steps.prepare.load_registry", return_value=registry),
        mock.patch("mien.testing.parts.load_registry", return_value=registry),
    ):
        yield


@contextmanager
def _light_figures() -> Iterator[None]:
    from mien.report import draw_matplotlib

    def draw(chart: Any, folder: Path, *, raster: bool = True) -> list[Path]:
        draw_matplotlib.figure(chart).draw_without_rendering()
        return []

    with mock.patch.object(draw_matplotlib, "save", draw):
        yield


@cache
def _store() -> Path:
    """Return the store of all small runs of this process, which is removed when it ends."""
    folder = Path(tempfile.mkdtemp(prefix="mien-testing-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
