"""What a stored result depends on: the keys of the store."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from mien.interfaces.component import Component
from mien.store.keys import digest, file_digest, source_version
from mien.types import LandmarkScheme

_FORMAT = 1  # goes up when a step stores its results in another way


def component_identity(component: Component) -> dict[str, Any]:
    """Return what decides a component's results: provenance, source, and the content of files it names."""
    files = {name: file_digest(value) for name, value in component if isinstance(value, Path) and value.is_file()}
    module = type(component).__module__.partition(".")[0]
    distribution = component.provenance()["distribution"]
    return {**component.provenance(), "source": source_version(distribution, module), "files": files}


def scheme_identity(scheme: LandmarkScheme) -> str:
    """Return a digest of what a landmark scheme says."""
    return digest({**asdict(scheme), "mean_face": scheme.mean_face.tolist()})


def weights_used(place: str, component: Component) -> dict[str, str]:
    """Return the SHA-256 of the pretrained weights that a component has used, by ``<place>.<name>``."""
    files = component.weight_files()
    return {f"{place}.{name}": file_digest(path) for name, path in files.items() if path.is_file()}


def step_key(step: str, **inputs: Any) -> str:
    """Return the store key of a step's result: a digest of its inputs and of mien's own version."""
    from mien import __version__

    core = source_version(f"mien=={__version__}", "mien")
    return digest({"step": step, "format": _FORMAT, "core": core, "inputs": inputs})
