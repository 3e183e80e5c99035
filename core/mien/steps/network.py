"""Which networks a run has, and how each is built again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from safetensors.torch import load_file

from mien.interfaces import Backbone, Objective
from mien.promises import at_work

if TYPE_CHECKING:
    from torch import nn

Role = Literal["trained", "untrained", "permuted"]


@dataclass(frozen=True)
class NetworkId:
    """One network of a run.

    Attributes
    ----------
    role : {"trained", "untrained", "permuted"}
        Permuted: a control, trained with labels permuted among participants.
    index : int
        Number within the role, from 0; of the trained one 0.
    fold : int
        The fold that it was trained for; 0 for untrained ones, which belong to no fold.
    """

    role: Role = "trained"
    index: int = 0
    fold: int = 0

    @property
    def trained(self) -> bool:
        """Whether it is a network of the run itself, not one of the controls."""
        return self.role == "trained"

    @property
    def name(self) -> str:
        """What the table ``training`` calls it: ``trained``, ``permuted 0``."""
        return self.role if self.trained else f"{self.role} {self.index}"


@dataclass(frozen=True)
class Network:
    """A recipe for a network to explain; light enough to travel to every worker.

    Attributes
    ----------
    id : NetworkId
    identity : str
        What decides its weights.
    weights : Path or None
        The safetensors file of a trained network.
    seed : int
        Draws the weights of an untrained one.
    """

    id: NetworkId
    identity: str
    weights: Path | None = None
    seed: int = 0

    def build(self, backbone: Backbone, objective: Objective) -> nn.Module:
        """Return the network in evaluation mode on the CPU; the global random state is left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            with at_work(backbone, "architecture"):
                module = backbone.architecture(objective.outputs)
        if self.weights is not None:
            module.load_state_dict(load_file(self.weights))
        return module.eval()
