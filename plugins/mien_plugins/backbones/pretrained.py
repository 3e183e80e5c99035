"""What the networks of torchvision have in common: official weights on demand, and the clips that they take."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from mien.errors import ModelError
from mien.interfaces import Backbone, ConfigPath
from mien.types import InputSpec
from mien.weights import WeightFile, file_sha256, official_prefix

if TYPE_CHECKING:
    from torch import nn

ADDRESS = "https://download.pytorch.org/models/"


def official_file(name: str, note: str) -> WeightFile:
    """Return an official weight file of torchvision, whose name carries the beginning of its hash."""
    return WeightFile(name, ADDRESS + name, hash_prefix=official_prefix(name), note=note)


class PretrainedBackbone(Backbone):
    """A network of torchvision; its head is replaced by one of ``outputs`` numbers.

    With pretrained weights, clips are standardised by the means that the weights expect; without, each clip by
    itself.  Weights come from ``weights_file``, else from mien's cache, else from their official address.
    """

    mean: ClassVar[tuple[float, ...]]
    std: ClassVar[tuple[float, ...]]
    smallest_clip: ClassVar[tuple[int, int]] = (1, 1)
    """Fewest frames, and fewest pixels of height and of width, that the network can take."""

    weights: str
    weights_file: ConfigPath | None = Field(
        None, description="The official weight file, where it shall not be downloaded."
    )
    standardise: Literal["auto", "clip", "fixed"] = Field(
        "auto", description="clip: each clip by itself; fixed: by the weights' means; auto: as the weights expect."
    )
    frames: int = Field(16, ge=1, description="Default frames of a clip.")
    size: int = Field(112, ge=16, description="Default height and width of a clip, pixels.")

    @classmethod
    def testing_fields(cls, folder: Path) -> Mapping[str, Any]:
        """Return random weights, and a small clip."""
        return {"weights": "none", "frames": 4, "size": 64}

    @property
    @abstractmethod
    def official_weights(self) -> WeightFile:
        """The official weight file of the configured network."""

    @abstractmethod
    def plain(self, outputs: int) -> nn.Module:
        """Return torchvision's own network with random weights and a head of ``outputs`` numbers."""

    @property
    @abstractmethod
    def head_name(self) -> str:
        """The submodule of torchvision's network that the pretrained weights do not fill."""

    def arranged(self, network: nn.Module) -> nn.Module:
        """Return torchvision's network with its modules put in the order that `stages` shows; the default: itself."""
        return network

    def architecture(self, outputs: int) -> nn.Module:
        """Return the network with random weights."""
        return self.arranged(self.plain(outputs))

    def build(self, outputs: int) -> nn.Module:
        """Return the network with the configured weights and a fresh head."""
        network = self.plain(outputs)
        if self.weights != "none":
            load_body(network, self._weights_path(), self.head_name)
        return self.arranged(network)

    def _weights_path(self) -> Path:
        file, official = self.weights_file, self.official_weights
        if file is None:
            return official.fetch()
        if not file.is_file():
            raise ModelError(
                f"The weight file '{file}' does not exist.", where="weights_file", hint=f"It is {official.url}."
            )
        expected = official_prefix(file.name)
        if expected is not None and not file_sha256(file).startswith(expected):
            raise ModelError(
                f"The weight file is damaged or another one: its SHA-256 does not begin with {expected}, as its name "
                "says.",
                where=str(file),
                hint=f"Get it again from {ADDRESS}{file.name}.",
            )
        return file

    def needed_weights(self) -> Sequence[WeightFile]:
        """Return the official file, where pretrained weights are used and no file is given."""
        return () if self.weights == "none" or self.weights_file is not None else (self.official_weights,)

    def weight_files(self) -> Mapping[str, Path]:
        """Return the file of the pretrained weights, where they are used."""
        return {} if self.weights == "none" else {self.weights: self.weights_file or self.official_weights.path}

    @property
    def input_spec(self) -> InputSpec:
        """Clips of ``frames`` x ``size`` x ``size``."""
        fixed = self.standardise == "fixed" or (self.standardise == "auto" and self.weights != "none")
        return InputSpec(
            frames=self.frames,
            height=self.size,
            width=self.size,
            standardise="fixed" if fixed else "clip",
            mean=self.mean if fixed else (),
            std=self.std if fixed else (),
        )

    def check(self, frames: int, height: int, width: int) -> None:
        """Raise `ModelError` when clips are smaller than the network can take."""
        fewest, smallest = self.smallest_clip
        if frames < fewest or min(height, width) < smallest:
            raise ModelError(
                f"The backbone '{self.use}' takes clips of at least {fewest} frames of {smallest} x {smallest} pixels; "
                f"these have {frames} frames of {height} x {width} (height x width).",
                where="backbone",
                hint="Change 'windows.frames' and the size of the cropper, or choose another backbone.",
            )


def load_body(network: nn.Module, path: Path, head: str) -> None:
    """Load a weight file into all of the network but its submodule ``head``, which the file holds for other outputs.

    Raises
    ------
    ModelError
        When the file cannot be read or holds another network.
    """
    from mien.state_dict import load_weights, read_weights

    weights, own = read_weights(path), network.state_dict()
    body = {name: value for name, value in weights.items() if not name.startswith(f"{head}.")}
    if len(body) == len(weights):
        raise ModelError(
            f"The weights do not fit the network: the file holds no layer '{head}'.",
            where=str(path),
            hint="Check that the file belongs to this network.",
        )
    load_weights(network, {**body, **{name: own[name] for name in own if name.startswith(f"{head}.")}}, path)
