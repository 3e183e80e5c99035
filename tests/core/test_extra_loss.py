"""Guarantees: what a backbone adds to the loss is added to each training batch, once, and to nothing else."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from mien.config.settings import AugmentSettings, TrainingSettings
from mien.progress import QuietProgress
from mien.steps.train import train
from mien.testing.training import SlopeClips, SlopeNetwork, SlopeScore


class Added(SlopeNetwork):
    """Adds a constant, which moves the loss and no weight."""

    constant: float = 0.0
    calls: ClassVar[list[bool]] = []

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        self.calls.append(model.training)
        return torch.tensor(self.constant)


class Shrunk(SlopeNetwork):
    """Adds nothing but a pull on the weights of its head."""

    pull: float = 0.0

    def extra_loss(self, model: nn.Module) -> Tensor | None:
        return self.pull * model.get_submodule("head").weight.square().sum() if self.pull else None


def _trained(net: SlopeNetwork, scratch: Path, validation: int = 0) -> Any:
    settings = TrainingSettings(epochs=3, batch=4, learning_rate=0.05, augment=AugmentSettings(shift=0, jitter=0))
    config: Any = SimpleNamespace(
        seed=1, backbone=net, objective=SlopeScore(), cropper=SlopeClips.cropper, training=settings
    )
    source: Any = SlopeClips(8)
    return train(config, source, source.splits(validation), scratch, QuietProgress(), "cpu")


def test_a_constant_moves_the_training_loss_by_itself_and_no_weight(tmp_path: Path) -> None:
    Added.calls.clear()
    plain = _trained(SlopeNetwork(), tmp_path / "plain", validation=2)
    moved = _trained(Added(constant=2.5), tmp_path / "moved", validation=2)
    assert Added.calls == [True] * int(moved.history["step"].max())
    assert (moved.history["train_loss"] - plain.history["train_loss"]).to_list() == pytest.approx([2.5] * 3, abs=1e-5)
    assert moved.history["validation_loss"].to_list() == pytest.approx(plain.history["validation_loss"].to_list())
    before, after = plain.module.state_dict(), moved.module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_its_gradient_reaches_the_weights(tmp_path: Path) -> None:
    free = _trained(Shrunk(), tmp_path / "free").module.get_submodule("head").weight
    pulled = _trained(Shrunk(pull=100.0), tmp_path / "pulled").module.get_submodule("head").weight
    assert pulled.norm() < 0.5 * free.norm()
