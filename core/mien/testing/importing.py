"""Which heavy libraries importing a component's module brings, measured in a fresh process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from functools import cache

HEAVY = (
    *("av", "captum", "cv2", "distributed", "face_alignment", "h5py", "lightning", "matplotlib", "mediapipe", "numba"),
    *("onnxruntime", "pandas", "plotly", "scipy", "skimage", "sklearn", "statsmodels", "tensorflow", "torch"),
    *("torchvision", "transformers", "umap", "zennit"),
)
"""Libraries that take longer to import than a listing may take to print."""

_SCRIPT = """
import importlib, json, sys
paths, modules, heavy = json.load(sys.stdin)
sys.path[:] = paths
for module in modules:
    importlib.import_module(module)
print(json.dumps(sorted(set(heavy) & set(sys.modules))))
"""
_PATIENCE_S = 600


def heavy_imports(module: str) -> tuple[str, ...]:
    """Return which of `HEAVY` a fresh process holds after importing the module.

    Where the module registers components, all modules that its distribution registers are imported at once: one
    process serves them all, unless something heavy was found, which is then looked for module by module.

    Raises
    ------
    ImportError
        When a fresh process cannot import it.
    """
    family = _family(module)
    try:
        if not _loaded_by(family):
            return ()
    except ImportError:
        pass  # another module of the distribution may be the broken one
    return _loaded_by((module,))


def _family(module: str) -> tuple[str, ...]:
    from mien.registry import load_registry

    entries = load_registry().entries()
    modules = {entry: entry.target.partition(":")[0] for entry in entries if not entry.missing()}
    owners = {entry.distribution for entry, own in modules.items() if own == module}
    return tuple(sorted({module, *(own for entry, own in modules.items() if entry.distribution in owners)}))


@cache
def _loaded_by(modules: Sequence[str]) -> tuple[str, ...]:
    given = json.dumps([sys.path, list(modules), HEAVY])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _SCRIPT],
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["it ended without a word"]
        raise ImportError(f"a fresh process cannot import {', '.join(modules)}: {last[0]}")
    return tuple(json.loads(done.stdout.splitlines()[-1]))
