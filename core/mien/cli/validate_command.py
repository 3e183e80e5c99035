"""``mien validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mien.cli.options import (
    Checkpoint,
    ClusterAddress,
    Device,
    DeviceOption,
    Out,
    Overrides,
    Quiet,
    StoreFolder,
    TimeLimit,
    Verbose,
    Workers,
)
from mien.cli.run_commands import Session, find_checkpoint


def validate(
    config: Annotated[
        Path, typer.Argument(help="Configuration, YAML: dataset, and what differs from the checkpoint's own run.")
    ],
    checkpoint: Checkpoint,
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
    """Hold a trained network against another labelled data set: metrics, calibration, shift, and what replicates.

    Nothing is trained. How faces are seen comes from the checkpoint, and what is explained from its own run.
    """
    from mien.config.loading import load_document
    from mien.registry import load_registry

    registry = load_registry()
    document = load_document(config, overrides or ())
    checkpoint = find_checkpoint(checkpoint)

    from mien.steps.validate import validate as work  # imports torch
    from mien.steps.validate_config import validate_config

    validation = validate_config(document, checkpoint, registry)
    session = Session(workers, store, device, time_limit, cluster, verbose, quiet)
    session.compute(work, validation, checkpoint, out, registry=registry)
