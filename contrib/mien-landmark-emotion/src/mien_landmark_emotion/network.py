"""The networks: a small binary classifier for each class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Shape:
    """What all classifiers have in common.

    Attributes
    ----------
    points : int
        Landmarks of a clip.
    width : int
        Features of a frame.
    kernel : int
        Frames that the second layer sees at once; odd.
    movement : bool
        Whether landmarks are taken relative to the clip's first frame.
    """

    points: int = 478
    width: int = 16
    kernel: int = 5
    movement: bool = True


class Features(nn.Module):
    """What one classifier makes of its landmarks: ``(B, T, N, 2)`` to ``(B, width)``.

    Each frame's landmarks become ``width`` numbers, those of neighbouring frames are mixed, and the mean over time is
    taken.  Landmarks that are not kept are not read.  Movement is taken after the first layer, which is linear: that is
    the same as before it, and cheaper.

    Parameters
    ----------
    shape : Shape
    keep : sequence of int
        Landmarks that it sees, in this order; all when empty.
    """

    def __init__(self, shape: Shape, keep: Sequence[int] = ()) -> None:
        super().__init__()
        self.columns: Tensor | None
        kept = torch.tensor([2 * point + axis for point in keep for axis in (0, 1)]) if len(keep) else None
        self.register_buffer("columns", kept, persistent=False)  # part of the configuration, not of the weights
        self.movement = shape.movement
        self.frame = nn.Linear(2 * (len(keep) or shape.points), shape.width, bias=False)
        self.offset = nn.Parameter(torch.zeros(shape.width))
        self.rectify = nn.ReLU()
        self.mix = nn.Conv1d(shape.width, shape.width, shape.kernel, padding=shape.kernel // 2)
        self.rectify_mixed = nn.ReLU()

    def forward(self, clips: Tensor) -> Tensor:
        """Return the features of each clip."""
        rows = clips.reshape(-1, 2 * clips.shape[2])
        # Columns of a matrix are chosen several times as fast as landmarks of a clip.
        seen = rows if self.columns is None else rows.index_select(1, self.columns)
        frames = self.frame(seen).view(clips.shape[0], clips.shape[1], -1)
        if self.movement:
            frames = frames - frames[:, :1]
        mixed: Tensor = self.rectify_mixed(self.mix(self.rectify(frames + self.offset).transpose(1, 2)))
        return mixed.mean(2)


class AllFeatures(nn.Module):
    """The features of all classifiers, side by side: ``(B, T, N, 2)`` to ``(B, K, width)``."""

    def __init__(self, shape: Shape, keeps: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(Features(shape, keep) for keep in keeps)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the features of each clip for each class."""
        return torch.stack([classifier(clips) for classifier in self.classifiers], 1)


class Heads(nn.Module):
    """One logit for each class, from its own features alone: ``(B, K, width)`` to ``(B, K)``."""

    def __init__(self, classes: int, width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, 1) for _ in range(classes))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logits."""
        return torch.cat([layer(features[:, place]) for place, layer in enumerate(self.layers)], 1)


class OneVsRestNetwork(nn.Module):
    """A binary classifier for each class, which share no weight: clips ``(B, T, N, 2)`` to logits ``(B, K)``.

    Parameters
    ----------
    shape : Shape
    keeps : sequence of sequence of int
        The landmarks of each classifier; an empty one sees all.
    """

    def __init__(self, shape: Shape, keeps: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.features = AllFeatures(shape, keeps)
        self.heads = Heads(len(keeps), shape.width)

    def forward(self, clips: Tensor) -> Tensor:
        """Return the logit of each class: above 0 speaks for it."""
        logits: Tensor = self.heads(self.features(clips))
        return logits

    def single(self, place: int) -> nn.Module:
        """Return the binary classifier of one class, with the same weights: clips to ``(B, 1)``."""
        return nn.Sequential(self.features.classifiers[place], self.heads.layers[place])
