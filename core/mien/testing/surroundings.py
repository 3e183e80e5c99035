"""What a component finds in the process and must leave as it was: global generators, modes, hooks and types."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np


@contextmanager
def left_as_found(what: str) -> Iterator[None]:
    """Fail when the block changes what the whole process shares, also where it raises.

    These are the global random generators of Python, numpy and torch, torch's gradient mode, default type and
    deterministic mode, the number of its threads, its global hooks, and the environment variables.
    """
    before = _shared()
    try:
        yield
    finally:
        after = _shared()
        changed = [name for name, value in before.items() if after[name] != value]
        assert not changed, f"{what} changed {', '.join(changed)} of the whole process"


def _shared() -> dict[str, Any]:
    import os
    import random

    found: dict[str, Any] = {
        "the environment variables": dict(os.environ),
        "Python's global random generator": random.getstate(),
        "numpy's global random generator": _digest(np.random.get_state()),  # noqa: NPY002  that is what is watched
    }
    return found | _torch_state()


def _torch_state() -> dict[str, Any]:
    import torch
    from torch.nn.modules import module

    hooks = [name for name in vars(module) if name.startswith("_global_") and name.endswith("_hooks")]
    return {
        "torch's global random generator": torch.get_rng_state().numpy().tobytes(),
        "the gradient mode": torch.is_grad_enabled(),
        "the default type": torch.get_default_dtype(),
        "torch's deterministic mode": torch.are_deterministic_algorithms_enabled(),
        "the number of torch's threads": torch.get_num_threads(),
        "torch's global hooks": {name: len(getattr(module, name)) for name in hooks},
    }


def _digest(state: Any) -> tuple[Any, ...]:
    return tuple(part.tobytes() if isinstance(part, np.ndarray) else part for part in state)


@contextmanager
def other_seeds(seed: int) -> Iterator[None]:
    """Seed the global generators of Python, numpy and torch for the block, and give them back as they were."""
    import random

    import torch

    own, state = random.getstate(), np.random.get_state()  # noqa: NPY002  as above
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(own)
            np.random.set_state(state)  # noqa: NPY002


def importable(component: Any) -> str:
    """Return the name of the module that defines a component, or '' where no other process can import it."""
    name = str(component.__module__)
    origin = getattr(getattr(sys.modules.get(name), "__spec__", None), "origin", None)
    file = Path(origin).name if origin else ""
    return "" if not file or file.startswith("test_") or file == "conftest.py" else name
