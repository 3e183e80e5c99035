"""What every plugin's component is: its own configuration, and a recipe for heavy state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import AfterValidator, BaseModel, ConfigDict, PrivateAttr, ValidationInfo

from mien.errors import PluginError

if TYPE_CHECKING:
    from mien.weights import WeightFile


def _relative_to_config(path: Path, info: ValidationInfo) -> Path:
    base = (info.context or {}).get("base")
    path = path.expanduser()
    return path if base is None or path.is_absolute() else Path(base) / path


ConfigPath = Annotated[Path, AfterValidator(_relative_to_config)]
"""A path field; in a configuration file, relative paths are relative to that file."""


@dataclass(frozen=True)
class Unavailable:
    """A value of a field that cannot be used on this machine, and why."""

    field: str
    value: str
    reason: str
    hint: str = ""


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

    citation: ClassVar[str] = ""
    """The paper to cite for it, as authors, title, venue and year; several are separated by a semicolon."""

    _use: str = PrivateAttr(default="")
    _distribution: str = PrivateAttr(default="")

    @property
    def use(self) -> str:
        """The id under which the component is registered; its class name when it is not."""
        return self._use or type(self).__name__

    @property
    def distribution(self) -> str:
        """The distribution that brought the component, ``name==version``; empty when it is not registered."""
        return self._distribution

    def named(self, use: str, distribution: str) -> Component:
        """Note the registered id and the distribution (``name==version``) that brought the component."""
        self._use = use
        self._distribution = distribution
        return self

    @classmethod
    def known_weights(cls) -> Sequence[WeightFile]:
        """Return every weight file that components of this class may fetch, whatever their fields.

        They are what ``mien weights`` lists.  No heavy library is imported.
        """
        return ()

    def needed_weights(self) -> Sequence[WeightFile]:
        """Return the weight files that this component fetches, with its fields as they are.

        They are fetched before anything is computed, and by ``mien weights fetch --config``.
        """
        return ()

    testing_suite: ClassVar[str] = ""
    """``package.module:Class`` of a suite of its own, where the one of its kind needs more than fields, e.g. a network.

    ``pytest --mien-plugin`` runs it in place of the one of its kind, which it extends.
    """

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return the fields that conformance suites make it with: what it requires, and small sizes.

        Nothing is fetched.  Files that it needs are written into ``folder``, which is empty.
        """
        return {}

    @classmethod
    def unavailable(cls) -> Sequence[Unavailable]:
        """Return the values of fields that cannot be used on this machine; imports no heavy library.

        What the whole component cannot do without is declared where it is registered (``requires``).
        """
        return ()

    def lacking(self) -> Sequence[Unavailable]:
        """Return what this component, with its fields as they are, cannot use on this machine.

        The default: its fields' values that are `unavailable`.  A component whose fields hold more than one such
        value, as a mapping does, overrides it.
        """
        return [choice for choice in self.unavailable() if getattr(self, choice.field) == choice.value]

    def require_available(self) -> None:
        """Raise `PluginError` when it is `lacking` something here."""
        for choice in self.lacking():
            where = f"{self.use}, {choice.field}: {choice.value}"
            raise PluginError(choice.reason, where=where, hint=choice.hint or None)

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
