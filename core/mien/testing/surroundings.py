"""What a component finds in the process and must leave as it was: global generators, modes, hooks and types."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np


def leaves_as_found(what: str, use: Callable[[], object]) -> None:
    """Call, and fail when that changes what the whole process shares (see `left_as_found`).

    What only the first import of a library does, such as setting an environment variable, is not the component's deed.
    When the first call is seen to change something, that is put back, and a second one has to leave all as it was.
    """
    try:
        with left_as_found(what):
            use()
    except AssertionError:
        with left_as_found(what):
            use()


@contextmanager
def left_as_found(what: str) -> Iterator[None]:
    """Fail when the block changes what the whole process shares, also where it raises; it is put back all the same.

    These are the global random generators of Python, numpy and torch, torch's gradient mode, default type and
    deterministic mode, the number of its threads, its global hooks, and the environment variables.
    """
    shared = _shared()
    before = {name: read() for name, (read, _) in shared.items()}
    try:
        yield
    finally:
        changed = [name for name, (read, _) in shared.items() if not _same(read(), before[name])]
        for name in changed:
            shared[name][1](before[name])
        assert not changed, f"{what} changed {', '.join(changed)} of the whole process"


_Access = tuple[Callable[[], Any], Callable[[Any], object]]
"""What reads a state, and what sets it."""


def _shared() -> dict[str, _Access]:
    import os
    import random

    return {
        "the environment variables": (lambda: dict(os.environ), partial(_refill, os.environ)),
        "Python's global random generator": (random.getstate, random.setstate),
        "numpy's global random generator": (np.random.get_state, np.random.set_state),
        **_of_torch(),
    }


def _of_torch() -> dict[str, _Access]:
    import torch
    from torch.nn.modules import module

    names = [name for name in vars(module) if name.startswith("_global_") and name.endswith("_hooks")]
    hooks = {name: vars(module)[name] for name in names}
    return {
        "torch's global random generator": (torch.get_rng_state, torch.set_rng_state),
        "the gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "the default type": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's deterministic mode": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
        "the number of torch's threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's global hooks": (
            lambda: {name: dict(held) for name, held in hooks.items()},
            partial(_refill_each, hooks),
        ),
    }


def _refill_each(hooks: Mapping[str, MutableMapping[Any, Any]], content: Mapping[str, Mapping[Any, Any]]) -> None:
    for name, held in hooks.items():
        _refill(held, content[name])


def _refill(held: MutableMapping[Any, Any], content: Mapping[Any, Any]) -> None:
    for name in held.keys() - content.keys():
        del held[name]
    held.update(content)


def _same(one: Any, other: Any) -> bool:
    """Whether two states are equal; those of random generators hold arrays or are tensors."""
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other)) if hasattr(one, "__array__") else bool(one == other)


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
