"""What a suite promises, and which of its checks pins each promise.

A suite states its guarantees first, as texts by a short name, and then pins each by one check or more::

    class DetectorSuite(ComponentSuite):
        guarantees = {"no frames": "No frames give no faces, and no error."}

        @pins("no frames")
        def test_no_frames_is_empty(self, made): ...

A check that fails says who promised what; `guarantees` lists what is promised, for documentation and for other tools.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from mien.errors import MienError

T = TypeVar("T")
Check = TypeVar("Check", bound=Callable[..., Any])

_MARK = "__mien_guarantee__"


class BrokenPromise(AssertionError):
    """A component does not keep a guarantee of its kind."""


@dataclass(frozen=True)
class Guarantee:
    """Something that every component of a kind promises.

    Attributes
    ----------
    name : str
        Short, unique in the suite.
    text : str
        The promise, in a sentence.
    checks : tuple of str
        The methods of the suite that pin it.
    suite : str
        The class that states it: the suite itself, or the one that it extends.
    """

    name: str
    text: str
    checks: tuple[str, ...]
    suite: str


def pins(name: str) -> Callable[[Check], Check]:
    """Return a decorator for a check of the guarantee of that name: whatever it raises says what was promised."""

    def decorate(check: Check) -> Check:
        @functools.wraps(check)
        def checked(self: Any, *args: Any, **kwargs: Any) -> Any:
            __tracebackhide__ = True
            import pytest

            try:
                return check(self, *args, **kwargs)
            # A stranger's component may raise anything; pytest's "did not raise" is no Exception, a skip passes.
            except (Exception, pytest.fail.Exception) as error:
                raise BrokenPromise(_told(self, name, error)) from error

        setattr(checked, _MARK, name)
        return checked  # type: ignore[return-value]

    return decorate


def attempted(call: Callable[[], T]) -> T | MienError:
    """Return what a call gives, or the `MienError` by which it refuses."""
    try:
        return call()
    except MienError as refusal:
        return refusal


def _told(suite: Any, name: str, error: BaseException) -> str:
    component = getattr(type(suite), "component", None) or getattr(suite, "component", None)
    who = getattr(component, "__name__", type(suite).__name__)
    text = _stated(type(suite)).get(name, ("", name))[1]
    kind = "" if isinstance(error, AssertionError) else f"{type(error).__name__}: "
    seen = f"{kind}{error}".strip() or "the check failed"
    return f"{who} promised: {text}\nFound: {seen}"


def _stated(suite: type) -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for base in reversed(suite.__mro__):
        own: Mapping[str, str] = vars(base).get("guarantees", {})
        found |= {name: (base.__name__, text) for name, text in own.items()}
    return found


def checks(suite: type) -> Iterator[tuple[str, str]]:
    """Yield the name of each check of a suite, and the name of the guarantee that it pins; empty where it pins none."""
    for name in dir(suite):
        if name.startswith("test") and callable(getattr(suite, name)):
            yield name, getattr(getattr(suite, name), _MARK, "")


def guarantees(suite: type) -> tuple[Guarantee, ...]:
    """Return what a suite promises, the general guarantees first, each with the checks that pin it."""
    pinned: dict[str, list[str]] = {}
    for check, name in checks(suite):
        pinned.setdefault(name, []).append(check)
    return tuple(
        Guarantee(name, text, tuple(pinned.get(name, ())), owner) for name, (owner, text) in _stated(suite).items()
    )
