"""Shows that a check can fail: a suite of which one guarantee is put to a component that breaks it.

For tests of suites, mien's own and those of authors who extend them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from mien.testing.checks import BrokenPromise, checks, guarantees


def must_fail(suite: type, component: Any, guarantee: str, **attributes: Any) -> type:
    """Return a test class in which the checks of a guarantee have to fail for a component, and say what was promised.

    Parameters
    ----------
    component : type or function
        What breaks the guarantee.
    **attributes
        Of the suite, e.g. ``fields``.
    """
    (promise,) = [stated for stated in guarantees(suite) if stated.name == guarantee]
    assert promise.checks, f"no check pins '{guarantee}'"
    body: dict[str, Any] = {"component": component, **attributes}
    for name, pinned in checks(suite):
        body[name] = _failing(getattr(suite, name), promise.text) if pinned == guarantee else None
    return type(f"Test_{guarantee.replace(' ', '_')}", (suite,), body)


def all_must_fail(suite: type, broken: Mapping[str, Any], **attributes: Any) -> dict[str, type]:
    """Return `must_fail` of each component, by the name of its class; for ``globals().update`` in a test module."""
    made = (must_fail(suite, component, name, **attributes) for name, component in broken.items())
    return {one.__name__: one for one in made}


def _failing(check: Callable[..., Any], text: str) -> Callable[..., None]:
    @functools.wraps(check)
    def failing(self: Any, *args: Any, **kwargs: Any) -> None:
        with pytest.raises(BrokenPromise) as caught:
            check(self, *args, **kwargs)
        assert text in str(caught.value)

    return failing
