"""What this machine has: libraries, usable plugins, weights, devices, disk, codecs."""

from __future__ import annotations

import importlib
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

from mien import __version__
from mien.errors import MienError
from mien.registry import Entry, Registry
from mien.store.store import Store

Facts = dict[str, Any]


def examine(registry: Registry, store: Store) -> Facts:
    """Return everything `mien doctor` says, ready for JSON; imports every plugin and torch."""
    return {
        "mien": __version__,
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
        "libraries": list(libraries()),
        "plugins": [plugin(entry, registry) for entry in registry.entries()],
        "problems": [{"owner": problem.owner, "message": problem.message} for problem in registry.problems],
        "weights": weights(),
        "devices": attempt(devices),
        "store": disk(store),
        "video": attempt(video),
        "parquet": attempt(parquet),
    }


def attempt(look: Callable[[], Facts]) -> Facts:
    """Return what ``look`` finds; why it cannot, where a library is absent or broken."""
    try:
        return look()
    except (ImportError, OSError, RuntimeError) as error:
        return {"error": f"{type(error).__name__}: {error}"}


def libraries() -> Iterator[Facts]:
    """Yield mien's dependencies as (name, extra, version); version is None for what is not installed."""
    for requirement in requires("mien") or ():
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        if name is None or name[0] == "mien" or (extra and extra[1] in ("dev", "docs", "all")):
            continue
        yield {"name": name[0], "extra": extra[1] if extra else "", "version": _version(name[0])}


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def plugin(entry: Entry, registry: Registry) -> Facts:
    """Return whether a component can be used, and why not; imports it."""
    reason, hint = "", ""
    unavailable: list[Facts] = []
    if entry.missing():
        reason, hint = f"{', '.join(entry.missing())} is not installed", entry.install_hint()
    else:
        try:
            loaded = registry.load(entry.kind, entry.id)
            for name in entry.requires:
                importlib.import_module(name)
            if entry.kind != "landmarks":
                unavailable = [asdict(choice) for choice in loaded.unavailable()]
        except MienError as error:
            reason, hint = error.message.rstrip("."), error.hint or ""
        except (ImportError, OSError, RuntimeError, AttributeError) as error:
            reason = f"a requirement does not load: {type(error).__name__}: {error}"
    return {
        "kind": entry.kind,
        "id": entry.id,
        "distribution": entry.distribution,
        "usable": not reason,
        "reason": reason,
        "hint": hint,
        "unavailable": unavailable,
    }


def weights() -> Facts:
    """Return the files of weights that were fetched or put there."""
    from mien.weights import weights_folder

    folder = weights_folder()
    skipped = (".part", ".sha256")
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix not in skipped]
    return {
        "folder": str(folder),
        "files": [{"name": path.name, "bytes": path.stat().st_size} for path in files],
    }


def devices() -> Facts:
    """Return what networks can run on."""
    import torch

    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {"torch": torch.__version__, "cpu_threads": torch.get_num_threads(), "cuda": gpus}


def disk(store: Store) -> Facts:
    """Return where intermediate results lie, and the space left there."""
    there: Path = store.root
    while not there.exists():
        there = there.parent
    writable = os.access(there, os.W_OK)
    return {"folder": str(store.root), "free_bytes": shutil.disk_usage(there).free, "writable": writable}


def video() -> Facts:
    """Return whether H.264 can be read and written."""
    import av
    from av.codec import Codec

    def has(name: str, mode: Any) -> bool:
        try:
            Codec(name, mode)
        except ValueError:  # av's UnknownCodecError
            return False
        return True

    return {"av": av.__version__, "h264_decoder": has("h264", "r"), "h264_encoder": has("libx264", "w")}


def parquet() -> Facts:
    """Return whether tables can be written; some versions of pyarrow and numpy do not go together."""
    importlib.import_module("pyarrow.parquet")
    return {"pyarrow": importlib.import_module("pyarrow").__version__}
