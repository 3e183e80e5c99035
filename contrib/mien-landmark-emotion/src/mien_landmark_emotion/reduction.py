"""Drops the least relevant landmarks step by step, and trains again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from mien import ClipBatch, ClipKey, ConfigError, ExplainedModel
from mien_landmark_emotion.clips import LandmarkClips
from mien_landmark_emotion.network import OneVsRestNetwork, Shape
from mien_landmark_emotion.neutral import NeutralFaceGradients
from mien_landmark_emotion.training import Training, train

Keeps = Sequence[Sequence[int]]
Choose = Callable[[OneVsRestNetwork, Keeps, int], Keeps]
"""From a trained network, its landmarks and how many to keep, to the landmarks that are kept."""

STEPS = NeutralFaceGradients(steps=16, max_steps=64, tolerance=0.02)
"""The gradients that rank landmarks: an average over many clips needs no finer ones."""


@dataclass(frozen=True)
class Stage:
    """Classifiers of some landmarks, trained.

    Attributes
    ----------
    count : int
        Landmarks kept, for each classifier.
    keeps : sequence of sequence of int
        Which, ascending.
    network : OneVsRestNetwork
    """

    count: int
    keeps: Keeps
    network: OneVsRestNetwork


def reduce_landmarks(
    clips: LandmarkClips,
    counts: Sequence[int],
    choose: Choose,
    shape: Shape,
    classes: int,
    seed: int,
    settings: Training | None = None,
    start: Stage | None = None,
) -> Iterator[Stage]:
    """Yield classifiers of fewer and fewer landmarks, each trained from random weights.

    Parameters
    ----------
    counts : sequence of int
        Landmarks to keep, falling; the first stage may keep all.
    choose : callable
        `by_relevance` or `at_random`.
    start : Stage, optional
        What to go on from, so that several reductions share their first stage; it is not yielded again.

    Raises
    ------
    ConfigError
        When the counts do not fall, or there are not as many landmarks.
    """
    if list(counts) != sorted(set(counts), reverse=True) or not counts or counts[-1] < 1:
        raise ConfigError(f"Landmarks can only become fewer, and {list(counts)} does not fall to 1 or more.")
    if counts[0] > shape.points:
        raise ConfigError(f"There are {shape.points} landmarks, and {counts[0]} shall be kept.")
    everything: Keeps = [tuple(range(shape.points))] * classes
    keeps, network = (start.keeps, start.network) if start else (everything, None)
    for count in counts:
        if count < len(keeps[0]):
            network = network or train(clips, keeps, shape, seed, settings)
            keeps = choose(network, keeps, count)
        network = train(clips, keeps, shape, seed, settings)
        yield Stage(count, keeps, network)


def by_relevance(clips: LandmarkClips, seed: int, most: int = 240) -> Choose:
    """Return a choice of the landmarks that are most relevant in the clips it was trained with.

    Parameters
    ----------
    most : int
        Clips that are explained, drawn at random where there are more.
    """
    rows = np.random.default_rng([seed, 21]).permutation(len(clips))[:most]

    def choose(network: OneVsRestNetwork, keeps: Keeps, count: int) -> Keeps:
        chosen = []
        for place, kept in enumerate(keeps):
            found = landmark_relevance(network, clips[rows], place)
            chosen.append(_largest(balanced(found, clips[rows].labels == place), kept, count))
        return chosen

    return choose


def at_random(seed: int) -> Choose:
    """Return the control: landmarks drawn at random from those left, for each classifier anew."""
    random = np.random.default_rng([seed, 22])

    def choose(network: OneVsRestNetwork, keeps: Keeps, count: int) -> Keeps:
        return [tuple(sorted(random.choice(kept, count, replace=False).tolist())) for kept in keeps]

    return choose


def landmark_relevance(
    network: OneVsRestNetwork, clips: LandmarkClips, place: int, method: NeutralFaceGradients = STEPS
) -> Tensor:
    """Return the relevance of each landmark for one classifier's logit in each clip, ``(B, N)``, 0 or more.

    Relevance is summed over x and y; its absolute values are summed over time.
    """
    relevance = explain(network.single(place), clips, method)
    return relevance.sum(-1).abs().sum(1)


def explain(module: nn.Module, clips: LandmarkClips, method: NeutralFaceGradients = STEPS) -> Tensor:
    """Return the relevance of every coordinate for a binary classifier's logit, ``(B, T, N, 2)``."""
    model = ExplainedModel(module, name="a binary classifier")
    parts = [batch_of(part) for part in torch.split(clips.inputs, 64)]
    return torch.cat([method.attribute(model, part, _only).relevance for part in parts])


def _only(output: Tensor) -> Tensor:
    return output[:, 0]


def batch_of(inputs: Tensor) -> ClipBatch:
    """Return landmark clips as attribution methods get them."""
    clips, frames, points, _ = inputs.shape
    numbers = torch.arange(frames).expand(clips, frames)
    return ClipBatch(
        inputs=inputs,
        regions=torch.ones((clips, frames, points), dtype=torch.int32),
        region_names=("face",),
        times=numbers.double(),
        frames=numbers,
        valid=torch.ones((clips, frames), dtype=torch.bool),
        keys=[ClipKey("", "", clip) for clip in range(clips)],
        labels=torch.full((clips,), float("nan")),
        layout="landmarks",
    )


def balanced(relevance: Tensor, own: Tensor) -> Tensor:
    """Return the mean relevance over the clips of a class and over all others, each half, ``(N,)``.

    A landmark may tell a class by what does not move there: sadness from fear by the jaw.
    """
    parts = [relevance[rows].mean(0) for rows in (own, ~own) if bool(rows.any())]
    return torch.stack(parts).mean(0)


def _largest(relevance: Tensor, kept: Sequence[int], count: int) -> tuple[int, ...]:
    order = relevance[list(kept)].argsort(descending=True, stable=True)[:count]
    return tuple(sorted(kept[place] for place in order.tolist()))
