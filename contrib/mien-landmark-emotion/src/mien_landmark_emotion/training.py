"""Trains classifiers on landmark clips that fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mien import LabelScale
from mien_landmark_emotion.clips import LandmarkClips
from mien_landmark_emotion.network import OneVsRestNetwork, Shape
from mien_landmark_emotion.objective import OneVsRest


@dataclass(frozen=True)
class Training:
    """How classifiers are trained: AdamW, one-cycle learning rate."""

    epochs: int = 30
    batch: int = 32
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2


def train(
    clips: LandmarkClips,
    keeps: Sequence[Sequence[int]],
    shape: Shape,
    seed: int,
    settings: Training | None = None,
) -> OneVsRestNetwork:
    """Return the classifiers, trained from random weights, in evaluation mode.

    They are trained side by side, but share no weight: each becomes what it would have become alone.

    Parameters
    ----------
    keeps : sequence of sequence of int
        The landmarks of each classifier.
    seed : int
        Decides the weights and the order of the clips; torch's own generator is left alone.
    """
    settings = settings or Training()
    objective = OneVsRest(classes=tuple(str(place) for place in range(len(keeps))))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = OneVsRestNetwork(shape, keeps).train()
        batches = max(1, len(clips) // settings.batch)
        optimizer = torch.optim.AdamW(network.parameters(), settings.learning_rate, weight_decay=settings.weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=max(8, settings.epochs * batches), pct_start=0.25
        )
        for _ in range(settings.epochs):
            for rows in torch.randperm(len(clips)).tensor_split(batches):
                optimizer.zero_grad()
                loss = objective.loss(network(clips.inputs[rows]), clips.labels[rows], LabelScale())
                torch.autograd.backward(loss)
                optimizer.step()
                schedule.step()
    return network.eval()


def logits(network: nn.Module, clips: LandmarkClips) -> Tensor:
    """Return the logit of each class for each clip, ``(B, K)``."""
    with torch.no_grad():
        return torch.cat([network(part) for part in torch.split(clips.inputs, 64)])
