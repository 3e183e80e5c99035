"""The six basic emotions as prototypes of Action Units."""

from __future__ import annotations

from collections.abc import Collection, Mapping

PROTOTYPES: Mapping[str, tuple[str, ...]] = {
    "anger": ("AU04", "AU05", "AU07", "AU23"),
    "disgust": ("AU09", "AU15", "AU16"),
    "fear": ("AU01", "AU02", "AU04", "AU05", "AU07", "AU20", "AU26"),
    "happiness": ("AU06", "AU12"),
    "sadness": ("AU01", "AU04", "AU15"),
    "surprise": ("AU01", "AU02", "AU05", "AU26"),
}
"""EMFACS: the Action Units of each emotion (Friesen & Ekman 1983), in alphabetical order of the emotions."""

EMOTIONS: tuple[str, ...] = tuple(PROTOTYPES)
"""The classes; a label is a place in this list."""


def shown(emotion: str, units: Collection[str]) -> tuple[str, ...]:
    """Return the Action Units of an emotion's prototype that are among ``units``."""
    return tuple(unit for unit in PROTOTYPES[emotion] if unit in units)


def missing(emotion: str, units: Collection[str]) -> tuple[str, ...]:
    """Return the Action Units of an emotion's prototype that are not among ``units``."""
    return tuple(unit for unit in PROTOTYPES[emotion] if unit not in units)
