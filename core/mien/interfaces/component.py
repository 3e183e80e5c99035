"""What every plugin's component is: its own configuration, and a recipe for heavy state."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr, ValidationInfo


def _relative_to_config(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    path = path.expanduser()
    return path if base is None or path.is_absolute() else Path(base) / path


ConfigPath = Annotated[Path, AfterValidator(_relative_to_config)]
"""A path field; in a configuration file, relative paths are relative to that file."""


class Component(BaseModel):
    """Base of all components: a frozen, picklable pydantic model that is cheap to make.

    Its fields are its parameters, its schema documents it and its dump is its provenance.  Heavy state
    (a network on a device, a graph) is made in ``open`` or at the point of use, and heavy libraries are
    imported there, so that checking a configuration stays fast.

    ``version`` goes up when the same fields give other results; stored results of the older version
    are then not used again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    version: ClassVar[int] = 1

    _use: str = PrivateAttr(default="")
    _distribution: str = PrivateAttr(default="")

    @property
    def use(self) -> str:
        """The id under which the component is registered; its class name when it is not."""
        return self._use or type(self).__name__

    def named(self, use: str, distribution: str) -> Component:
        """Note the registered id and the distribution (``name==version``) that brought the component."""
        self._use = use
        self._distribution = distribution
        return self

    def weight_files(self) -> Mapping[str, Path]:
        """Return the files of the pretrained weights that the component uses, by a name for ``run.json``.

        Nothing is fetched: a file that has not been fetched yet is named where it will lie, or left out.
        """
        return {}

    def provenance(self) -> dict[str, Any]:
        """Return what decides the component's results, ready for JSON."""
        return {
            "use": self.use,
            "class": f"{type(self).__module__}:{type(self).__qualname__}",
            "version": self.version,
            "distribution": self._distribution,
            "fields": self.model_dump(mode="json"),
        }
