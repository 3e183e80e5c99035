"""Which contributed attribution methods the explanation benchmark takes, and why it refuses the others."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mien.benchmark.methods import MethodList, benchmark_methods, describe_methods, fitting_methods
from mien.benchmark.networks import recipe
from mien.interfaces import ExplainedModel
from mien.registry import load_registry
from mien.training.checkpoint import explained_model

REGISTRY = load_registry()
BY = {
    "lime": "mien-perturbation",
    "rise": "mien-perturbation",
    "neutral_face_gradients": "mien-landmark-emotion",
    "hmhn_attention": "mien-hmhn",
}
pytestmark = pytest.mark.skipif(not set(BY) <= set(REGISTRY.ids("attribution")), reason="contrib/ is not installed")


def _network(use: str = "", **fields: Any) -> ExplainedModel:
    backbone = REGISTRY.create("backbone", use, fields) if use else recipe(REGISTRY).backbone
    torch.manual_seed(0)
    return explained_model(backbone, backbone.architecture(1).eval())


def _fitting(model: ExplainedModel, *names: str) -> MethodList:
    return fitting_methods(benchmark_methods(REGISTRY, names or None), model)


def test_all_are_listed_under_their_distribution() -> None:
    listed = benchmark_methods(REGISTRY, list(BY))
    assert not listed.refused
    told = describe_methods(listed.methods)
    assert {name: one["distribution"].partition("==")[0] for name, one in told.items()} == BY


def test_the_networks_of_the_benchmark_are_explained_by_all_but_another_networks_attention() -> None:
    found = _fitting(_network())
    assert {"lime", "rise", "neutral_face_gradients"} <= set(found.methods)
    assert set(found.refused) & set(BY) == {"hmhn_attention"}
    reason = found.refused["hmhn_attention"]
    assert "'hmhn_attention' cannot explain the backbone 'compact_r3d'" in reason
    assert "only networks of the backbone 'hmhn'" in reason


def test_the_network_of_an_attention_is_explained_by_it() -> None:
    found = _fitting(_network("hmhn"), *BY, "lrp", "saliency")
    assert {*BY, "saliency"} <= set(found.methods)
    assert not [name for name in found.methods if name.startswith("lrp")]
    assert all("'hmhn'" in reason for reason in found.refused.values())


def test_a_network_on_landmarks_is_explained_by_what_needs_no_other_network() -> None:
    found = _fitting(_network("landmark_classifiers", points=20, frames=4), *BY)
    assert {"lime", "neutral_face_gradients"} <= set(found.methods)
    assert "landmark_classifiers" in found.refused["hmhn_attention"]
