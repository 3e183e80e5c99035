"""Distributions that are not installed, as importlib.metadata finds them: for tests of what plugins do wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import dedent


def write_distribution(
    folder: Path,
    name: str,
    modules: Mapping[str, str],
    *,
    entry_points: Mapping[str, str],
    version: str = "1.0",
    requires: Sequence[str] = (),
) -> Path:
    """Write modules and what an installer would write beside them; return the folder, which belongs on ``sys.path``.

    Parameters
    ----------
    folder : Path
        An existing folder; may hold several distributions.
    name : str
        e.g. ``mien-odd``.
    modules : mapping of str to str
        Source by dotted name; packages are made as needed.
    entry_points : mapping of str to str
        Those of the group ``mien``; none writes no file of entry points.
    requires : sequence of str
        Requirements, as in a pyproject.
    """
    for module, source in modules.items():
        path = folder.joinpath(*module.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(source), encoding="utf-8")
    about = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    about.mkdir(exist_ok=True)
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}", "utf-8")
    if entry_points:
        lines = "\n".join(f"{point} = {value}" for point, value in entry_points.items())
        (about / "entry_points.txt").write_text(f"[mien]\n{lines}\n", "utf-8")
    return folder
