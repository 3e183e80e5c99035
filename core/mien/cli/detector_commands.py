"""``mien detectors compare``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mien.cli.console import messages, output, print_json
from mien.cli.options import Device, DeviceOption, Json, Out, Quiet
from mien.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(help="Face detectors beside each other.", no_args_is_help=True)

_DETECTOR = "A detector: its id, or id:field=value,field=value, e.g. face_alignment:face_detector=yunet."


@app.command("compare")
def compare(
    video: Annotated[Path, typer.Argument(help="A video of a face.")],
    first: Annotated[str, typer.Argument(help=_DETECTOR)],
    second: Annotated[str, typer.Argument(help="The other detector, or the same with other fields.")],
    out: Out,
    seconds: Annotated[float | None, typer.Option(min=0.001, help="Look at the video's first seconds only.")] = None,
    overlay_seconds: Annotated[
        float, typer.Option(min=0, help="Length of the video with both faces' points; 0 for none.")
    ] = 30.0,
    device: DeviceOption = Device.auto,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare two face detectors on a video: faces found, distance of the landmarks, overlap of the boxes, speed.

    Distances are in inter-ocular distances, over the places of the face that both landmark schemes know.
    """
    from mien.cli import logs
    from mien.cli.progress import make_progress
    from mien.config.inline import component_from_text
    from mien.progress import QuietProgress
    from mien.registry import load_registry

    console = messages()
    logs.configure(console, 0, quiet)
    registry = load_registry()
    detectors = {
        name: component_from_text("detector", text, registry)
        for name, text in zip(_names(first, second), (first, second), strict=True)
    }
    _make(out)

    from mien.comparing.detectors import compare_detectors  # imports OpenCV; a wrong field is told without it
    from mien.training.devices import resolve_device

    made = compare_detectors(
        video,
        detectors,
        out,
        registry=registry,
        device=resolve_device(device.value),
        seconds=seconds,
        overlay_seconds=overlay_seconds,
        progress=QuietProgress() if quiet or as_json else make_progress(console),
    )
    if as_json:
        print_json(made.summary)
    elif not quiet:
        _print(made.summary, made.points, out)


def _names(first: str, second: str) -> tuple[str, str]:
    """Return the shortest names that tell the two apart: their ids, else all that was written."""
    ids = first.partition(":")[0], second.partition(":")[0]
    if ids[0] != ids[1]:
        return ids
    return (first, second) if first != second else (first, f"{second} (again)")


def _make(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"The folder cannot be made: {error.strerror}.", where=str(out)) from error


def _print(summary: Mapping[str, Any], points: pd.DataFrame, out: Path) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    for name, value in _lines(summary):
        table.add_row(Text(name, style="bold"), Text(value))
    places = points[(points["kind"] == "place") & points["median"].notna()]
    worst = places.sort_values("median", ascending=False).head(3)
    if len(worst):
        pairs = zip(worst["point"], worst["median"], strict=True)
        named = ", ".join(f"{name.replace('_', ' ')} {median:.3f}" for name, median in pairs)
        table.add_row(Text("farthest places", style="bold"), Text(named))
    table.add_row(Text("results", style="bold"), Text(str(out.resolve()), style="cyan"))
    output().print(table)


def _lines(summary: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    frames = summary["frames"]
    for key in ("first", "second"):
        side = summary[key]
        found = f"a face in {side['frames_found']} of {frames} frames ({100 * side['share_found']:.1f} %)"
        yield side["name"], f"{found}, {side['frames_per_second']:.3g} frames/s, {side['landmarks']}"
    found = summary["found"]
    yield (
        "found by",
        f"both {found['both']}, only the first {found['first_only']}, only the second {found['second_only']}, "
        f"neither {found['neither']}",
    )
    for key, title in (
        ("distance", f"distance of {summary['places']} places"),
        ("distance_regions", "distance of the regions' centres"),
        ("distance_all", "distance of all landmarks"),
    ):
        spread = summary[key]
        if spread is not None:
            yield title, f"median {spread['median']:.3f}, 90 % below {spread['p90']:.3f} {summary['unit']}"
    if summary["box_overlap"] is not None:
        yield "overlap of the boxes", f"median {summary['box_overlap']['median']:.2f} (intersection over union)"
    else:
        yield "distance", "no frame in which both found a face"
