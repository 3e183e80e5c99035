"""``mien run``, ``mien demo`` and ``mien explain``."""

from __future__ import annotations

import importlib.resources
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli import logs
from mien.cli.console import messages, output
from mien.cli.options import (
    Checkpoint,
    ClusterAddress,
    Device,
    DeviceOption,
    Faces,
    Out,
    Overrides,
    Quiet,
    StoreFolder,
    TimeLimit,
    Verbose,
    Workers,
    open_store,
)
from mien.errors import ConfigError

if TYPE_CHECKING:
    from mien.registry import Registry
    from mien.steps.context import RunOutcome

_DEMO = (
    "dataset",
    "animated_face",
)  # the package of this component also bundles the configuration of the demo


@dataclass(frozen=True)
class Session:
    """What all commands that compute have in common."""

    workers: int
    store: Path | None
    device: Device
    time_limit: float | None
    cluster: str | None
    verbose: int
    quiet: bool

    def compute(self, work: Callable[..., RunOutcome], *arguments: Any, registry: Registry, **named: Any) -> None:
        """Call a function of the pipeline, say what came out, and leave with its exit code."""
        from mien.cli.headline import print_headline
        from mien.cli.progress import make_progress
        from mien.progress import QuietProgress

        console = messages()
        logs.configure(console, self.verbose, self.quiet)
        outcome = work(
            *arguments,
            store=open_store(self.store),
            workers=self.workers,
            device=self.device.value,
            time_limit=self.time_limit,
            cluster=self.cluster,
            progress=QuietProgress() if self.quiet else make_progress(console),
            registry=registry,
            **named,
        )
        if not self.quiet:
            print_headline(output(), outcome.summary, outcome.out)
        raise typer.Exit(outcome.exit_code)


def run(
    config: Annotated[Path, typer.Argument(help="Configuration, YAML.")],
    out: Out,
    overrides: Overrides = None,
    workers: Workers = 1,
    store: StoreFolder = None,
    device: DeviceOption = Device.auto,
    time_limit: TimeLimit = None,
    cluster: ClusterAddress = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Track, crop, train, evaluate, explain, analyze and report, as a configuration says.

    A stopped run goes on where it stopped; what has not changed is not computed again.
    """
    session = Session(workers, store, device, time_limit, cluster, verbose, quiet)
    _run(config, out, overrides or (), session)


def demo(
    out: Out,
    overrides: Overrides = None,
    workers: Workers = 1,
    store: StoreFolder = None,
    device: DeviceOption = Device.auto,
    time_limit: TimeLimit = None,
    cluster: ClusterAddress = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Run the bundled configuration: an animated face whose label is known to be one Action Unit."""
    from mien.registry import load_registry

    session = Session(workers, store, device, time_limit, cluster, verbose, quiet)
    with ExitStack() as stack:
        config = stack.enter_context(importlib.resources.as_file(_demo_file(load_registry())))
        _run(config, out, overrides or (), session)


def _demo_file(registry: Registry) -> Any:
    package = registry.entry(*_DEMO).target.partition(".")[0]
    file = importlib.resources.files(package) / "configs" / "demo.yaml"
    if not file.is_file():
        raise ConfigError("The configuration of the demo is not installed.", where=str(file))
    return file


def _run(config: Path, out: Path, overrides: Sequence[str], session: Session) -> None:
    from mien.config.check import require_fit
    from mien.config.loading import load_document, parse_config
    from mien.registry import load_registry

    registry = load_registry()
    document = load_document(config, overrides)
    parsed = parse_config(document, registry)
    require_fit(parsed, registry, document)

    from mien.steps import pipeline  # imports torch; a wrong configuration is told without it

    session.compute(pipeline.run, parsed, out, registry=registry)


def explain(
    videos: Annotated[list[Path], typer.Argument(metavar="VIDEO", help="Videos; no labels are needed.")],
    checkpoint: Checkpoint,
    out: Out,
    method: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=ID", help="Explain with this method instead of the run's own. Repeatable."),
    ] = None,
    faces: Annotated[Faces, typer.Option(help="Whose faces the report shows.")] = Faces.full,
    workers: Workers = 1,
    store: StoreFolder = None,
    device: DeviceOption = Device.auto,
    time_limit: TimeLimit = None,
    cluster: ClusterAddress = None,
    verbose: Verbose = 0,
    quiet: Quiet = False,
) -> None:
    """Explain what a trained network sees in new videos."""
    from mien.registry import load_registry

    registry = load_registry()
    methods = chosen_methods(method, registry) if method else None
    checkpoint = find_checkpoint(checkpoint)

    from mien.steps import pipeline
    from mien.steps.explain_config import explain_config

    config = explain_config(checkpoint, registry, methods=methods, faces=faces.value)
    session = Session(workers, store, device, time_limit, cluster, verbose, quiet)
    session.compute(pipeline.explain_videos, videos, checkpoint, out, config=config, registry=registry)


def find_checkpoint(given: Path) -> Path:
    """Return the checkpoint that a path means: itself, or the one inside the folder of a run."""
    inside = given / "checkpoint"
    found = inside if inside.is_dir() else given
    if not found.exists():
        raise ConfigError("The checkpoint does not exist.", where=str(given))
    return found


def chosen_methods(given: Sequence[str], registry: Registry) -> dict[str, Any]:
    """Return attribution methods from ``name=id`` or ``id``, with their default fields.

    Raises
    ------
    ConfigError
        When a name comes twice or an id is unknown.
    PluginError
        When a method's requirement is not installed.
    """
    methods: dict[str, Any] = {}
    for text in given:
        name, equals, use = text.partition("=")
        use = use if equals else name
        if not name or name in methods:
            raise ConfigError("Each method needs a name of its own.", where=f"--method {text}", hint="--method NAME=ID")
        registry.require("attribution", use)
        methods[name] = registry.create("attribution", use)
    return methods
