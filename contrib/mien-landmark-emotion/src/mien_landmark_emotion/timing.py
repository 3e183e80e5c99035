"""How long an inference takes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mien_landmark_emotion.network import Shape


def seconds(
    networks: Mapping[str, tuple[nn.Module, Tensor]], rounds: int = 200, calls: int = 5
) -> Mapping[str, npt.NDArray[Any]]:
    """Return the CPU seconds of one pass of each network's clips through it, in each round.

    They are those of one thread: seconds on an idle machine; on a busy one they leave out what others take.  In each
    round all networks have their turn, so that what is left of the others strikes them alike: ratios within a round are
    what to trust.  A first round warms up and is not counted.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            measured = [
                {name: _timed(network, clips, calls) for name, (network, clips) in networks.items()}
                for _ in range(rounds + 1)
            ]
    finally:
        torch.set_num_threads(threads)
    return {name: np.array([one[name] for one in measured[1:]]) for name in networks}


def _timed(network: nn.Module, clips: Tensor, calls: int) -> float:
    began = time.thread_time()
    for _ in range(calls):
        network(clips)
    return (time.thread_time() - began) / calls


def multiplications(shape: Shape, kept: int, frames: int) -> int:
    """Return the multiplications of one binary classifier for one clip."""
    first = frames * 2 * kept * shape.width
    mixed = frames * shape.width**2 * shape.kernel
    return first + mixed + shape.width
