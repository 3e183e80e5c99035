"""What each backbone costs on one clip: a forward pass, and a forward pass with the gradient to the input.

CPU seconds of one thread, the least of some rounds that take the networks in turn; ratios to ``r3d_18`` forward.
Writes ``benchmarks/results/backbones.json``.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from _runs import machine, write

from mien.interfaces import Backbone
from mien.registry import load_registry

ROUNDS = 4  # the first warms up
RANDOM = {"weights": "none"}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "compact_r3d": ("compact_r3d", {}),
    "compact_frame_cnn": ("compact_frame_cnn", {}),
    **{name: (name, RANDOM) for name in ("r3d_18", "mc3_18", "r2plus1d_18", "s3d", "swin3d_t", "mvit_v2_s")},
    **{f"{name} 112": (name, {**RANDOM, "size": 112}) for name in ("swin3d_t", "mvit_v2_s")},
    **{
        f"frame_cnn {network}": ("frame_cnn", {**RANDOM, "network": network})
        for network in ("resnet18", "resnet34", "resnet50", "vgg11", "vgg16")
    },
}


def seconds(backbone: Backbone, network: torch.nn.Module) -> tuple[float, float]:
    """Return the CPU seconds of a forward pass, and of one with the gradient to the input."""
    spec = backbone.input_spec
    clip = torch.randn(1, 3, spec.frames, spec.height, spec.width)
    began = time.process_time()
    with torch.no_grad():
        network(clip)
    forward = time.process_time() - began
    clip.requires_grad_()
    began = time.process_time()
    network(clip).sum().backward()
    return forward, time.process_time() - began


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(1)
    registry = load_registry()
    backbones = {name: registry.create("backbone", use, fields) for name, (use, fields) in NETWORKS.items()}
    built = {name: one.build(1).eval().requires_grad_(False) for name, one in backbones.items()}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in backbones}
    for _ in range(ROUNDS):
        for name, backbone in backbones.items():
            found[name].append(seconds(backbone, built[name]))
    least = {name: [min(values) for values in zip(*rounds[1:], strict=True)] for name, rounds in found.items()}
    unit = least["r3d_18"][0]
    result: dict[str, Any] = {"machine": machine(), "r3d_18_forward_s": round(unit, 3)}
    for name, (forward, gradient) in least.items():
        spec = backbones[name].input_spec
        result[name] = {
            "clip": f"{spec.frames} x {spec.height}",
            "weights_millions": round(sum(p.numel() for p in built[name].parameters()) / 1e6, 2),
            "forward": round(forward / unit, 3),
            "with_gradient": round(gradient / unit, 3),
        }
    write("backbones", result)


if __name__ == "__main__":
    main()
