"""``mien doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from mien.cli.console import output, print_json
from mien.cli.options import Json, StoreFolder, open_store
from mien.registry import load_registry

if TYPE_CHECKING:
    from rich.text import Text

_MARKS = {True: ("yes ", "green"), False: ("no  ", "yellow")}


def doctor(store: StoreFolder = None, as_json: Json = False) -> None:
    """Say what is installed, which plugins can be used and why not, weights, devices, disk and codecs."""
    import warnings

    from mien.cli.doctor import examine
    from mien.compat import prepare_torchvision

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        prepare_torchvision()
        facts = examine(load_registry(), open_store(store))
    if as_json:
        print_json(facts)
        raise typer.Exit
    console = output()
    for line in _lines(facts):
        console.print(line, soft_wrap=True)


def _lines(facts: dict[str, Any]) -> Iterator[Text]:
    from rich.text import Text

    yield Text(f"mien {facts['mien']}, Python {facts['python']}, {facts['platform']}, {facts['cpus']} CPUs")
    yield Text("\nlibraries", style="bold")
    for library in facts["libraries"]:
        extra = f"  [{library['extra']}]" if library["extra"] else ""
        yield _mark(library["version"] is not None, f"{library['name']} {library['version'] or ''}{extra}")
    yield Text("\nplugins", style="bold")
    for plugin in facts["plugins"]:
        reason = "" if plugin["usable"] else f": {plugin['reason']}. {plugin['hint']}"
        yield _mark(plugin["usable"], f"{plugin['kind']} {plugin['id']}{reason}")
        for choice in plugin["unavailable"]:
            value = f"{plugin['kind']} {plugin['id']}, {choice['field']}: {choice['value']}"
            yield _mark(False, f"{value}: {choice['reason']} {choice['hint']}")
    for problem in facts["problems"]:
        yield _mark(False, f"{problem['owner']}: {problem['message']}")
    yield Text("\nmachine", style="bold")
    yield from _machine(facts)


def _machine(facts: dict[str, Any]) -> Iterator[Text]:
    from mien.cli.cache_commands import size_text

    devices, video, weights, store = facts["devices"], facts["video"], facts["weights"], facts["store"]
    if "error" in devices:
        yield _mark(False, f"torch: {devices['error']}")
    else:
        yield _mark(True, f"cpu, {devices['cpu_threads']} threads (torch {devices['torch']})")
        yield _mark(bool(devices["cuda"]), f"cuda: {', '.join(devices['cuda']) or 'none; networks run on the CPU'}")
    if "error" in video:
        yield _mark(False, f"video: {video['error']}")
    else:
        yield _mark(video["h264_decoder"], f"reads H.264 (av {video['av']})")
        yield _mark(video["h264_encoder"], "writes H.264")
    parquet = facts["parquet"]
    yield _mark("error" not in parquet, f"writes tables (pyarrow {parquet.get('pyarrow', parquet.get('error'))})")
    yield _mark(store["writable"], f"store {store['folder']}, {size_text(store['free_bytes'])} free")
    names = ", ".join(f"{file['name']} ({size_text(file['bytes'])})" for file in weights["files"])
    yield _mark(bool(names), f"weights in {weights['folder']}: {names or 'none; the demo needs none'}")


def _mark(good: bool, text: str) -> Text:
    from rich.text import Text

    return Text.assemble(_MARKS[good], text)
