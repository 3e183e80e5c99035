"""A network of the user's own, as a backbone."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from mien.errors import ModelError, PluginError, nearest
from mien.interfaces import Backbone, ConfigPath
from mien.types import InputSpec, Layout

if TYPE_CHECKING:
    from torch import nn


class Module(Backbone):
    """Any ``nn.Module``: a factory makes it, a file holds its weights.

    The factory is called with ``outputs=<number>`` and ``kwargs``, and returns a network from clips to
    ``(B, outputs)``.
    """

    factory: str = Field(pattern=r"^[\w.]+:\w+$", description="package.module:function that returns the network.")
    weights: ConfigPath | None = Field(
        None, description="safetensors, or a torch file that holds only tensors; none: as the factory makes it."
    )
    kwargs: dict[str, Any] = Field(default_factory=dict, description="Further arguments of the factory.")
    layout: Layout = "video"
    frames: int = Field(16, ge=1, description="Default frames of a clip.")
    height: int = Field(112, ge=0, description="Default height of a clip, pixels.")
    width: int = Field(112, ge=0, description="Default width of a clip, pixels.")
    standardise: Literal["clip", "fixed", "none"] = "clip"
    mean: tuple[float, ...] = Field((), description="Per channel, for standardise: fixed.")
    std: tuple[float, ...] = Field((), description="Per channel, for standardise: fixed.")
    stage_names: tuple[str, ...] = Field(
        (), description="Submodules from the input to the head; empty: the network's children."
    )
    cannot: dict[str, str] = Field(
        default_factory=dict, description="What attribution methods cannot have (e.g. relu_modules), and why."
    )

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return mien's own tiny network."""
        return {"factory": "mien.testing:tiny_network", "frames": 4, "height": 12, "width": 12}

    def provenance(self) -> dict[str, Any]:
        """Return what decides the results, with a digest of the source of the factory's package."""
        from mien.store.keys import package_digest

        package = self.factory.partition(":")[0].partition(".")[0]
        try:
            source = package_digest(package)
        except PluginError:
            source = ""  # it cannot be found, which `architecture` says better, or is compiled
        return {**super().provenance(), "factory_source": source}

    def weight_files(self) -> Mapping[str, Path]:
        """Return the file of the configured weights."""
        return {} if self.weights is None else {"weights": self.weights}

    def architecture(self, outputs: int) -> nn.Module:
        """Return what the factory makes."""
        from torch import nn

        try:
            network = self._function()(outputs=outputs, **self.kwargs)
        except TypeError as error:
            raise ModelError(
                f"The factory cannot be called with outputs={outputs} and the configured kwargs: {error}.",
                where=self.factory,
                hint="Its signature is 'def factory(outputs: int, **kwargs) -> nn.Module'.",
            ) from error
        if not isinstance(network, nn.Module):
            raise ModelError(f"The factory returned {type(network).__name__}, no nn.Module.", where=self.factory)
        return network

    def _function(self) -> Callable[..., Any]:
        module, _, name = self.factory.partition(":")
        try:
            found = getattr(importlib.import_module(module), name)
        except ImportError as error:
            raise ModelError(
                f"The factory's module cannot be imported: {error}.",
                where=self.factory,
                hint="Install the package, or put its folder on PYTHONPATH.",
            ) from error
        except AttributeError as error:
            known = [key for key in vars(importlib.import_module(module)) if not key.startswith("_")]
            raise ModelError(f"'{module}' has no '{name}'.", where=self.factory, hint=nearest(name, known)) from error
        if not callable(found):
            raise ModelError("The factory is not callable.", where=self.factory)
        function: Callable[..., Any] = found
        return function

    def build(self, outputs: int) -> nn.Module:
        """Return what the factory makes, with the weights of the file."""
        network = self.architecture(outputs)
        if self.weights is not None:
            from mien.state_dict import load_weights, read_weights

            load_weights(network, read_weights(self.weights), self.weights)
        return network

    @property
    def input_spec(self) -> InputSpec:
        """As configured."""
        return InputSpec(self.layout, self.frames, self.height, self.width, self.standardise, self.mean, self.std)

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        """Return the submodules of ``stage_names``, or the network's children."""
        if not self.stage_names:
            return dict(model.named_children())
        known = dict(model.named_modules())
        for name in self.stage_names:
            if name not in known:
                raise ModelError(
                    f"The network has no submodule '{name}'.", where="stage_names", hint=nearest(name, known)
                )
        return {name: known[name] for name in self.stage_names}

    def lrp_canonizers(self) -> Sequence[Any]:
        """Return the canonizer that merges batch norms; residual adds outside modules stay unseen."""
        from mien_plugins.backbones.canonizers import ExactMergeBatchNorm

        return [ExactMergeBatchNorm()]

    @property
    def lacks(self) -> Mapping[str, str]:
        """As configured in ``cannot``."""
        return self.cannot
