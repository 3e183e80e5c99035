"""zennit canonizers that make 3D residual networks fit for LRP.

This module imports zennit; backbones import it when a method asks for their canonizers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

from mien.compat import prepare_torchvision

prepare_torchvision()

import torch  # noqa: E402
from torch import Tensor, nn  # noqa: E402
from zennit.canonizers import AttributeCanonizer, Canonizer, SequentialMergeBatchNorm  # noqa: E402
from zennit.layer import Sum  # noqa: E402

ForwardWithSum = Callable[[Any, Tensor], Tensor]
"""A block's forward pass whose residual add is ``self.residual_sum`` over a stacked last axis."""


class ExactMergeBatchNorm(SequentialMergeBatchNorm):  # type: ignore[misc]
    """Merges batch norms into the convolutions before them, exactly.

    zennit leaves the batch norm's ``eps`` in, which scales the output a second time; here it is 0 meanwhile.
    """

    def __init__(self) -> None:
        super().__init__()
        self.eps = 0.0

    def register(self, linears: tuple[nn.Module, ...], batch_norm: nn.Module) -> None:
        """Merge ``batch_norm`` into ``linears``."""
        self.eps = float(batch_norm.eps)  # type: ignore[arg-type]
        super().register(linears, batch_norm)
        batch_norm.eps = 0.0  # type: ignore[assignment]

    def remove(self) -> None:
        """Undo the merge."""
        super().remove()
        self.batch_norm.eps = self.eps


def residual_sum(block: type[nn.Module], forward: ForwardWithSum) -> Canonizer:
    """Return the canonizer that turns the residual add of every ``block`` into a module that rules see.

    Without it the add is plain arithmetic, through which relevance passes to both branches in full: it doubles
    with every block.
    """

    def attributes(name: str, module: nn.Module) -> dict[str, Any] | None:
        if not isinstance(module, block):
            return None
        return {"residual_sum": Sum(), "forward": MethodType(forward, module)}

    return AttributeCanonizer(attributes)


def add_residual(block: Any, main: Tensor, shortcut: Tensor) -> Tensor:
    """Return the sum of a block's two branches, through its ``residual_sum``."""
    added: Tensor = block.residual_sum(torch.stack([main, shortcut], dim=-1))
    return added
