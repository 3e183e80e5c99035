"""What Integrated Gradients costs, in bare forward and backward passes measured in the same run.

Run ``python benchmarks/attribution.py``; it writes ``benchmarks/results/attribution.json``.  The two are timed in
turn, each several times, and the median of their ratios is taken, by the clock and in seconds of the processor (which
what other programs do meanwhile hardly changes).  ``ratio`` compares like with like, one node a pass; ``ratio_auto`` is
the default, which takes small clips several nodes at a time, over the same bare passes.
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
from mien.interfaces import Backbone
from mien.registry import load_registry
from mien.testing import clip_batch
from mien.training.checkpoint import explained_model

prepare_torchvision()

RESULT = Path(__file__).parent / "results" / "attribution.json"
LIMIT = 1.05
CASES = {"compact_r3d": ({}, 31, 15), "r2plus1d_18": ({"weights": "none"}, 7, 7)}
"""Backbone, fields, intervals, repetitions."""


def bare(network: nn.Module, clip: Tensor, passes: int) -> None:
    for _ in range(passes):
        point = clip.clone().requires_grad_()
        torch.autograd.grad(network(point).sum(), point)


def seconds(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds of an action by the clock and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    action()
    return time.perf_counter() - clock, time.process_time() - processor


def measure(backbone: Backbone, steps: int, repetitions: int) -> dict[str, float]:
    torch.manual_seed(0)
    spec = backbone.input_spec
    network = backbone.architecture(1).eval()
    frozen = backbone.architecture(1).eval().requires_grad_(False)
    batch = clip_batch(1, spec.frames, spec.height)
    model, clip = explained_model(backbone, network), batch.inputs

    def attribute(rows: int | str) -> Callable[[], object]:
        fields = {"steps": steps, "max_steps": steps, "internal_batch": rows}
        method = load_registry().create("attribution", "integrated_gradients", fields)
        return lambda: method.attribute(model, batch, lambda output: output[:, 0])

    actions = [attribute(1), attribute("auto"), lambda: bare(frozen, clip, steps + 1)]
    for action in actions:
        action()
    rounds = [[seconds(action) for action in actions] for _ in range(repetitions)]

    def ratio(action: int, measure: int) -> float:
        return round(statistics.median(times[action][measure] / times[2][measure] for times in rounds), 4)

    return {
        "gradients": steps + 1,
        "bare_forward_backward_s": round(statistics.median(times[2][0] for times in rounds), 4),
        "ratio": ratio(0, 0),
        "ratio_processor": ratio(0, 1),
        "ratio_auto": ratio(1, 0),
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
