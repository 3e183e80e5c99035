"""What Integrated Gradients costs, in bare forward and backward passes measured in the same run.

Run ``python benchmarks/attribution.py``; it writes ``benchmarks/results/attribution.json``.  The two are timed in
turn, each several times, in seconds of the processor, and the median of their ratios is taken: what other
programs do meanwhile should not count.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.compat import prepare_torchvision
from mien.explaining import explain
from mien.interfaces import Backbone
from mien.registry import load_registry

prepare_torchvision()

RESULT = Path(__file__).parent / "results" / "attribution.json"
LIMIT = 1.05
CASES = {"compact_r3d": ({}, 31, 9), "r2plus1d_18": ({"weights": "none"}, 7, 3)}
"""Backbone, fields, intervals, repetitions."""


def bare(network: nn.Module, clip: Tensor, passes: int) -> None:
    for _ in range(passes):
        point = clip.clone().requires_grad_()
        torch.autograd.grad(network(point).sum(), point)


def seconds(action: Callable[[], object]) -> float:
    began = time.process_time()
    action()
    return time.process_time() - began


def measure(backbone: Backbone, steps: int, repetitions: int) -> dict[str, float]:
    torch.manual_seed(0)
    spec = backbone.input_spec
    network = backbone.architecture(1).eval()
    frozen = backbone.architecture(1).eval().requires_grad_(False)
    clip = torch.randn(1, 3, spec.frames, spec.height, spec.width)

    def attribute() -> None:
        explain(network, clip, method="integrated_gradients", steps=steps, max_steps=steps)

    attribute()
    bare(frozen, clip, 2)
    pairs = [(seconds(attribute), seconds(lambda: bare(frozen, clip, steps + 1))) for _ in range(repetitions)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    return {
        "gradients": steps + 1,
        "integrated_gradients_s": round(ours, 4),
        "bare_forward_backward_s": round(theirs, 4),
        "ratio": round(statistics.median(a / b for a, b in pairs), 4),
        "limit": LIMIT,
    }


def main() -> None:
    registry = load_registry()
    found = {
        name: measure(registry.create("backbone", name, fields), steps, repetitions)
        for name, (fields, steps, repetitions) in CASES.items()
    }
    about = {"torch": torch.__version__, "threads": torch.get_num_threads(), "cpus": os.cpu_count()}
    RESULT.parent.mkdir(exist_ok=True)
    content = {"machine": platform.machine(), **about, "integrated_gradients": found}
    RESULT.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(RESULT.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
