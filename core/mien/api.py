"""The version of mien's public interface, and which plugins it carries.

The public interface is ``mien.__all__`` and ``mien.testing.__all__``.  Its version is ``major.minor``: the minor part
goes up when something is added, the major part when something is taken away or changed.
"""

from __future__ import annotations

import ast
import importlib.util
import re
from pathlib import Path
from typing import Any

API_VERSION = "1.0"
"""The public interface that this mien offers, ``major.minor``."""

DECLARATION = "MIEN_API"
"""The name under which a plugin's manifest says which interface it was made for."""

_VERSION = re.compile(r"(\d+)(?:\.(\d+))?")


def mismatch(declared: Any, offered: str = API_VERSION) -> str | None:
    """Return why a plugin that was made for an interface cannot be loaded, or None when it can.

    A plugin is loaded when the major parts are equal and the minor one is not above what is offered: what was there
    in 1.0 is there in every 1.x.

    Parameters
    ----------
    declared : object
        What the manifest says: ``"1"``, which means 1.0, or ``"1.0"``.  Anything else is told as a mistake.
    """
    wanted = _parsed(declared)
    have = _parsed(offered)
    if wanted is None or have is None:
        return f'{DECLARATION} is {declared!r}; it must be a text such as "{offered}"'
    if wanted[0] > have[0] or (wanted[0] == have[0] and wanted[1] > have[1]):
        return f"it was made for API {declared} of mien, and this mien has the older {offered}: install a newer mien"
    if wanted[0] < have[0]:
        return (
            f"it was made for API {declared} of mien, and this mien has {offered}: install a newer version of the "
            "plugin, or an older mien"
        )
    return None


def _parsed(version: Any) -> tuple[int, int] | None:
    match = _VERSION.fullmatch(version) if isinstance(version, str) else None
    return None if match is None else (int(match[1]), int(match[2] or 0))


def declared_in_source(module: str) -> Any:
    """Return what a module's source says of its interface without running it; None where it says nothing.

    A plugin for another interface may fail at the very import that would have told so.
    """
    try:
        spec = importlib.util.find_spec(module)
        tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8")) if spec and spec.origin else None
    except Exception:  # noqa: BLE001  finding a module runs its parents, which may raise anything
        return None
    for node in tree.body if tree else ():
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            if DECLARATION in names:
                return node.value.value
    return None
