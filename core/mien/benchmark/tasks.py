"""The planted tasks: what a network learns, and where a true explanation must point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from mien.errors import ConfigError, nearest

Badge = Literal["none", "cue", "confounded"]

_BROWS = ("right_eyebrow", "left_eyebrow")


@dataclass(frozen=True)
class PlantedTask:
    """A label that is planted in videos of an animated face.

    Tasks with the same ``badge`` are learnt from the same videos, under other labels.

    Attributes
    ----------
    name : str
        As on the command line.
    title : str
        For readers.
    label : mapping of str to float
        Weights of the Action Units that make the label.
    regions : tuple of str
        Where these Action Units show; empty where the label does not show in the face.
    badge : {"none", "cue", "confounded"}
        ``cue``: only the brightness of a badge tells the label; ``confounded``: it tells the Action Units' label again.
    shuffled : bool
        Whether the participants who train have exchanged their labels.
    epochs : int
        Of the training; fixed, like the rest of the recipe, on pilot seeds that the benchmark does not report.
    """

    name: str
    title: str
    label: Mapping[str, float] = field(default_factory=dict)
    regions: tuple[str, ...] = ()
    badge: Badge = "none"
    shuffled: bool = False
    epochs: int = 10

    @property
    def units(self) -> tuple[str, ...]:
        """The planted Action Units."""
        return tuple(self.label) if self.regions else ()


_SMILE = {"AU12": 1.0}

TASKS = (
    PlantedTask("AU12", "AU12, lip corner puller", _SMILE, ("mouth",), epochs=8),
    PlantedTask("AU09", "AU9, nose wrinkler", {"AU09": 1.0}, ("nose",), epochs=22),
    PlantedTask("AU01+02", "AU1+2, brow raisers", {"AU01": 1.0, "AU02": 1.0}, _BROWS, epochs=24),
    PlantedTask("AU04", "AU4, brow lowerer", {"AU04": 1.0}, _BROWS, epochs=40),
    PlantedTask("badge_cue", "a badge as the only cue", _SMILE, (), "cue", epochs=4),
    PlantedTask("badge_confounded", "a badge that tells what AU12 tells", _SMILE, ("mouth",), "confounded", epochs=8),
    PlantedTask("shuffled", "shuffled labels", _SMILE, (), "none", shuffled=True, epochs=8),
)
"""In the order in which they are shown."""


def chosen_tasks(names: Sequence[str] | None) -> tuple[PlantedTask, ...]:
    """Return the tasks of these names; all when None.

    Raises
    ------
    ConfigError
        When there is no such task.
    """
    known = {task.name: task for task in TASKS}
    for name in names or ():
        if name not in known:
            raise ConfigError(f"There is no planted task '{name}'.", where="--tasks", hint=nearest(name, known))
    return tuple(task for task in TASKS if names is None or task.name in names)
