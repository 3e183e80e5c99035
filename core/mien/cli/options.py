"""Options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from mien.store.store import Store


class Device(StrEnum):
    """Where networks run."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


class Faces(StrEnum):
    """Whose faces a report shows."""

    full = "full"
    consented = "consented"
    none = "none"


Out = Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.", file_okay=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change the configuration, e.g. training.epochs=5. Repeatable."),
]
Checkpoint = Annotated[
    Path, typer.Option(metavar="DIR_OR_FILE", help="A checkpoint, or the folder of the run that made it.")
]
Workers = Annotated[
    int, typer.Option(min=1, help="Processes that prepare recordings; the results do not depend on it.")
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        help="Folder of intermediate results. [default: $MIEN_STORE or ~/.cache/mien]",
    ),
]
DeviceOption = Annotated[Device, typer.Option(help="Where networks run; auto takes a GPU that is there.")]
TimeLimit = Annotated[
    float | None,
    typer.Option(
        min=0.001,
        metavar="SECONDS",
        help="End a task that takes longer, and set it aside: a recording's preparation, or its explanation.",
    ),
]
ClusterAddress = Annotated[
    str | None,
    typer.Option(
        "--cluster",
        metavar="ADDRESS",
        help="A dask scheduler, whose workers prepare and explain in place of --workers.",
    ),
]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more; twice for everything.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no summary; errors only.")]


def _for_json(context: typer.Context, wanted: bool) -> bool:
    if wanted:
        from mien.cli.console import keep_for_json

        context.call_on_close(keep_for_json())
    return wanted


Json = Annotated[bool, typer.Option("--json", help="Write JSON.", callback=_for_json)]


def open_store(folder: Path | None) -> Store:
    """Return the store in a folder, or the user's own."""
    from mien.store.store import Store, default_store

    return default_store() if folder is None else Store(folder)
