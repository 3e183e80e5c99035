"""Every attribution method on every backbone: it works, or says why not before anything is computed."""

from __future__ import annotations

import time

import pytest
import torch

from mien.errors import ModelError
from mien.interfaces import Backbone, ExplainedModel
from mien.registry import load_registry
from mien.testing import clip_batch
from mien.training.checkpoint import explained_model

REGISTRY = load_registry()
METHODS = REGISTRY.ids("attribution")

# The smallest networks and clips, frames x pixels; s3d has none that is quick, and is only asked.
BACKBONES: dict[str, tuple[dict[str, object], tuple[int, int] | None]] = {
    "compact_r3d": ({"widths": (4, 6)}, (3, 16)),
    "compact_frame_cnn": ({"widths": (4, 6)}, (3, 16)),
    "frame_cnn": ({"weights": "none"}, (2, 32)),
    "module": ({"factory": "mien.testing:tiny_network"}, (3, 12)),
    "r3d_18": ({"weights": "none"}, (2, 16)),
    "mc3_18": ({"weights": "none"}, (2, 16)),
    "r2plus1d_18": ({"weights": "none"}, (2, 16)),
    "s3d": ({"weights": "none"}, None),
    "swin3d_t": ({"weights": "none"}, (2, 32)),
    "mvit_v2_s": ({"weights": "none", "frames": 4, "size": 32}, (4, 32)),
}
FEW: dict[str, dict[str, object]] = {
    "integrated_gradients": {"steps": 1, "max_steps": 1},
    "smoothgrad": {"samples": 2},
    "gradient_shap": {"samples": 2},
    "occlusion": {"block": (2, 16, 16), "stride": (2, 16, 16)},
    "kernel_shap": {"samples": 4, "time_segments": 1},
    "ablation": {"time_segments": 1},
    "lime": {"samples": 4, "time_segments": 1},
    "rise": {"masks": 4},
}
ATTENTION = ("lrp", "deeplift", "guided_backprop")
REFUSED = {(method, backbone) for method in ATTENTION for backbone in ("swin3d_t", "mvit_v2_s")} | {
    ("grad_cam", "mvit_v2_s"),  # its output reads the class token alone
}


@pytest.fixture(scope="module", params=BACKBONES)
def described(request: pytest.FixtureRequest) -> tuple[str, ExplainedModel]:
    fields, _ = BACKBONES[request.param]
    backbone: Backbone = REGISTRY.create("backbone", request.param, fields)
    torch.manual_seed(0)
    return request.param, explained_model(backbone, backbone.architecture(1).eval())


@pytest.mark.parametrize("method", METHODS)
def test_it_works_or_says_why_not_before_any_computing(method: str, described: tuple[str, ExplainedModel]) -> None:
    name, model = described
    made = REGISTRY.create("attribution", method, FEW.get(method, {}))
    passes: list[int] = []
    handle = model.module.register_forward_hook(lambda *_: passes.append(1))
    began = time.perf_counter()
    try:
        if (method, name) in REFUSED or (made.backbones and name not in made.backbones):
            with pytest.raises(ModelError, match=name) as told:
                made.check(model)
            assert len(str(told.value)) > 40
            assert not passes
            assert time.perf_counter() - began < 1
            return
        made.check(model)
        assert not passes
    finally:
        handle.remove()
    size = BACKBONES[name][1]
    if size is None:
        return
    batch = clip_batch(1, frames=size[0], size=size[1])
    found = made.attribute(model, batch, lambda output: output[:, 0])
    assert found.relevance.shape == batch.inputs.shape
    assert bool(found.relevance.isfinite().all())


def test_every_built_in_backbone_is_among_them() -> None:
    own = {entry.id for entry in REGISTRY.entries("backbone") if entry.distribution.startswith("mien==")}
    assert own <= set(BACKBONES)
