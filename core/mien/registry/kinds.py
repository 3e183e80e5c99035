"""The kinds of plugin.  This is the only list of them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of plugin.

    Attributes
    ----------
    id : str
        Its name in the registry and in ``mien plugins``.
    interface : str
        ``module:Class`` that a component must be a subclass of; for ``landmarks``, the type of the value.
    takes : str
        One line for listings: what it turns into what.
    """

    id: str
    interface: str
    takes: str

    def load_interface(self) -> type:
        """Import and return the interface."""
        module, _, name = self.interface.partition(":")
        loaded: type = getattr(importlib.import_module(module), name)
        return loaded


KINDS: dict[str, Kind] = {
    kind.id: kind
    for kind in (
        Kind("dataset", "mien.interfaces.dataset:Dataset", "configuration -> recordings"),
        Kind("detector", "mien.interfaces.detector:Detector", "frames -> boxes, landmarks"),
        Kind("landmarks", "mien.types:LandmarkScheme", "points -> regions, outline, stable points"),
        Kind("cropper", "mien.interfaces.cropper:Cropper", "frames, track -> network input, regions"),
        Kind("backbone", "mien.interfaces.backbone:Backbone", "configuration -> network"),
        Kind("objective", "mien.interfaces.objective:Objective", "output, label -> loss, metrics, target"),
        Kind("attribution", "mien.interfaces.attribution:AttributionMethod", "network, clips -> relevance"),
        Kind("action_units", "mien.interfaces.action_units:ActionUnitSource", "recording, track -> AU traces"),
        Kind("analyzer", "mien.interfaces.analyzer:Analyzer", "run -> tables, figures"),
    )
}
