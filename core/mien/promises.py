"""Names the plugin that breaks a promise: which distribution, what it did, and what was promised.

Whatever mien calls of a component runs inside `at_work`, so that an exception is told with its owner, and so that a
process that hangs or dies can be told with the component that was at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING

from mien.errors import MienError, ModelError, PluginError, told

if TYPE_CHECKING:
    from mien.interfaces import Component

_PROMISE = "A component raises errors of mien alone (MienError), which say what to do"

_watcher: Callable[[str], object] | None = None


class Leaving(SystemExit):
    """A worker was told to end; it is nobody's failure."""


def watch(watcher: Callable[[str], object] | None) -> Callable[[str], object] | None:
    """Have a function called with who is at work in this process, and with an empty text when nobody is any more.

    Returns the one that was called before.
    """
    global _watcher
    former, _watcher = _watcher, watcher
    return former


@lru_cache(maxsize=256)
def _kind(component: type) -> str:
    from mien.registry import KINDS

    kinds = {kind.interface: kind.id for kind in KINDS.values()}
    found = (kinds.get(f"{base.__module__}:{base.__qualname__}") for base in component.__mro__)
    return next((kind for kind in found if kind), "component")


def name_of(component: Component) -> str:
    """Return ``kind 'id' of distribution==version``; without the distribution where it is not registered."""
    own = f"{_kind(type(component))} '{component.use}'"
    return f"{own} of {component.distribution}" if component.distribution else own


def broken(component: Component, did: str, promised: str) -> PluginError:
    """Return the error that says what a component did and what it had promised.

    Parameters
    ----------
    did : str
        What it did, a sentence.
    promised : str
        What was promised, in a sentence without a full stop.
    """
    authors = component.distribution.partition("==")[0]
    tell = f" Tell the authors of {authors}." if authors else ""
    return PluginError(did, where=name_of(component), hint=f"{promised}.{tell}")


@contextmanager
def at_work(component: Component, call: str) -> Iterator[None]:
    """Name the component in whatever the block raises, and while it lasts.

    Parameters
    ----------
    component : Component
        Whose code the block runs.
    call : str
        The method that is called.

    Raises
    ------
    ModelError
        When a device's memory ran out.
    PluginError
        In place of any other exception that is no `MienError`.
    """
    if _watcher is not None:
        _watcher(f"{name_of(component)}, in '{call}'")
    try:
        yield
    except (MienError, Leaving, KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a stranger's code may raise anything, SystemExit too
        if type(error).__name__ == "OutOfMemoryError":  # torch's, which is not imported here
            hint = "Use smaller or shorter clips, or another device."
            raise ModelError(
                f"The device's memory ran out, in '{call}'.", where=name_of(component), hint=hint
            ) from error
        raise broken(component, f"It raised {told(error)}, in '{call}'.", _PROMISE) from error
    finally:
        if _watcher is not None:
            _watcher("")
