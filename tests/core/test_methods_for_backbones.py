"""A method that is made for certain backbones refuses every other network before anything is computed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.config.check import misfits
from mien.config.loading import load_config
from mien.errors import ModelError
from mien.interfaces import AttributionMethod, ExplainedModel
from mien.registry import load_registry
from mien.training.checkpoint import explained_model
from mien.types import ClipBatch, Explanation


class OnlyCompact(AttributionMethod):
    """Explains one backbone."""

    backbones: ClassVar[tuple[str, ...]] = ("compact_r3d", "my_other")

    def attribute(self, model: ExplainedModel, batch: ClipBatch, target: Callable[[Tensor], Tensor]) -> Explanation:
        return Explanation(torch.zeros_like(batch.inputs), target(model.module(batch.inputs)).detach())


def _model(backbone: str, **fields: Any) -> ExplainedModel:
    described = load_registry().create("backbone", backbone, fields)
    return explained_model(described, described.architecture(1).eval())


def test_its_own_backbone_is_explained_and_others_are_refused() -> None:
    OnlyCompact().check(_model("compact_r3d", widths=(4,)))
    with pytest.raises(ModelError, match=r"'compact_frame_cnn'.*'compact_r3d' or the backbone 'my_other'"):
        OnlyCompact().check(_model("compact_frame_cnn", widths=(4,)))


def test_a_module_alone_is_refused_until_its_backbone_is_named() -> None:
    module = _model("compact_r3d").module
    clips = torch.zeros(1, 3, 2, 16, 16)
    with pytest.raises(ModelError, match="backbone='compact_r3d'"):
        mien.explain(module, clips, method=OnlyCompact())
    found = mien.explain(module, clips, method=OnlyCompact(), backbone="compact_r3d")
    assert found.relevance.shape == clips.shape


def test_a_configuration_tells_it_before_a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    registry = load_registry()
    monkeypatch.setattr(registry.load("attribution", "saliency"), "backbones", ("compact_frame_cnn",))
    parts = "dataset: animated_face\ndetector: mediapipe\ncropper: face\nbackbone: compact_r3d\nobjective: regression\n"
    (tmp_path / "study.yaml").write_text(f"{parts}explain: {{methods: {{where: saliency}}}}\n")
    found = misfits(load_config(tmp_path / "study.yaml", registry=registry), registry)
    assert [(each.key, each.message) for each in found] == [
        ("explain.methods.where", "'saliency' explains networks of compact_frame_cnn only, not of this backbone.")
    ]


def test_a_method_that_needs_pictures_refuses_a_network_of_landmarks_before_a_run(tmp_path: Path) -> None:
    network = {"factory": "mien.testing:tiny_network", "layout": "landmarks", "height": 0, "width": 0}
    model = _model("module", **network)
    registry = load_registry()
    for method in ("grad_cam", "occlusion"):
        with pytest.raises(ModelError, match="landmarks lie on no grid"):
            registry.create("attribution", method).check(model)
    parts = (
        f"dataset: animated_face\ndetector: mediapipe\ncropper: face\nbackbone: { ({'use': 'module', **network}) }\n"
    )
    (tmp_path / "study.yaml").write_text(f"{parts}objective: regression\nexplain: {{methods: {{where: occlusion}}}}\n")
    found = misfits(load_config(tmp_path / "study.yaml", registry=registry), registry)
    assert ("explain.methods.where", "'occlusion' cannot explain 'module': its landmarks lie on no grid.") in [
        (each.key, each.message) for each in found
    ]


def test_networks_that_are_not_described_have_no_backbone() -> None:
    assert ExplainedModel(nn.Identity()).backbone == ""
