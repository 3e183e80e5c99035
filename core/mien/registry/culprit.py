"""Whose code an exception came out of: the last plugin on the way to it."""

from __future__ import annotations

import traceback
from pathlib import Path

from mien.registry.registry import Registry

_OWN = "mien"


def culprit(error: BaseException, registry: Registry) -> str:
    """Return the distribution, file and line of the innermost frame that is a plugin's; empty for none.

    Built-in plugins are mien's own and nobody to point at.
    """
    packages = _packages(registry)
    found = ""
    for frame, line in traceback.walk_tb(error.__traceback__):
        distribution = packages.get(str(frame.f_globals.get("__name__", "")).partition(".")[0])
        if distribution is not None:
            code = frame.f_code
            found = f"{distribution} ({Path(code.co_filename).name}, line {line}, in {code.co_name})"
    return found


def _packages(registry: Registry) -> dict[str, str]:
    targets = [(entry.target, entry.distribution) for entry in registry.entries()]
    targets += [(command.target, command.distribution) for command in registry.commands.values()]
    targets += [(plugin.value, plugin.distribution) for plugin in registry.plugins]
    found = {target.partition(":")[0].partition(".")[0]: distribution for target, distribution in targets}
    return {package: name for package, name in found.items() if name.partition("==")[0] != _OWN}
