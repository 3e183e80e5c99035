"""S3D and the video transformers: torchvision's own output, their legal sizes, and which methods work on them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import mien
from mien.compat import prepare_torchvision
from mien.config.check import misfits
from mien.config.loading import load_config
from mien.errors import ModelError
from mien.interfaces import AttributionMethod, Backbone
from mien.registry import load_registry
from mien.training.checkpoint import explained_model
from mien_plugins.backbones.frame_cnn import FrameCnn
from mien_plugins.backbones.pretrained import PretrainedBackbone
from mien_plugins.backbones.torchvision_transformers import MViTV2S, Swin3DT
from mien_plugins.backbones.torchvision_video import MC318, R3D18, S3D, R2Plus1D18, TorchvisionVideo

prepare_torchvision()
REGISTRY = load_registry()
SMALL_SWIN = Swin3DT(weights="none", frames=4, size=64)
SMALL_MVIT = MViTV2S(weights="none", frames=4, size=32)


def seeded(make: object, outputs: int = 1) -> nn.Module:
    torch.manual_seed(0)
    return make(outputs).eval()  # type: ignore[operator]


def small_s3d() -> nn.Module:
    """S3D without its fixed pooling, so that it takes clips as small as the tests want them."""
    network = seeded(S3D(weights="none").architecture)
    network.pool[0] = nn.Identity()
    return network


@pytest.mark.parametrize(
    ("backbone", "clip"),
    [(S3D(weights="none"), (13, 209, 230)), (SMALL_SWIN, (5, 70, 64)), (SMALL_MVIT, (4, 32, 32))],
)
def test_the_output_is_that_of_torchvisions_own_network(backbone: TorchvisionVideo, clip: tuple[int, int, int]) -> None:
    clips = torch.randn(1, 3, *clip)
    plain, staged = seeded(backbone.plain, 3), seeded(backbone.architecture, 3)
    if backbone is SMALL_MVIT:  # torchvision builds it for 16 x 224 x 224; its forward pass reads the grid from here
        plain.pos_encoding.temporal_size, plain.pos_encoding.spatial_size = 2, (8, 8)
    with torch.no_grad():
        torch.testing.assert_close(staged(clips), plain(clips), rtol=1e-5, atol=1e-6)
    names = list(backbone.stages(staged))
    assert names == ["stem", "stage1", "stage2", "stage3", "stage4", "head"]
    # Thawing stage by stage reaches every weight.
    thawed = {id(weight) for stage in backbone.stages(staged).values() for weight in stage.parameters()}
    assert thawed == {id(weight) for weight in staged.parameters()}


def test_the_smallest_legal_clip_of_s3d_is_the_smallest_that_passes() -> None:
    backbone = S3D(weights="none")
    network = seeded(backbone.architecture)
    backbone.check(13, 209, 209)  # that it passes is tested above
    for clip in ((12, 209, 209), (13, 208, 209), (13, 209, 208)):
        with pytest.raises(RuntimeError, match="smaller than kernel"), torch.no_grad():
            network(torch.zeros(1, 3, *clip))
        with pytest.raises(ModelError, match="at least 13 frames of 209 x 209 pixels"):
            backbone.check(*clip)


def test_a_swin_transformer_takes_odd_sizes_and_refuses_clips_that_are_mostly_padding() -> None:
    network = seeded(SMALL_SWIN.architecture)
    for clip in ((2, 32, 32), (3, 33, 50)):
        SMALL_SWIN.check(*clip)
        with torch.no_grad():
            assert bool(network(torch.randn(1, 3, *clip)).isfinite().all())
    for clip in ((1, 32, 32), (2, 31, 32)):
        with pytest.raises(ModelError, match="at least 2 frames of 32 x 32 pixels"):
            SMALL_SWIN.check(*clip)


def test_a_multiscale_transformer_takes_exactly_the_size_that_it_is_built_for() -> None:
    MViTV2S(weights="none").check(16, 224, 224)
    for clip in ((8, 224, 224), (16, 112, 112), (16, 224, 225)):
        with pytest.raises(ModelError, match="exactly 16 frames of 224 x 224 pixels"):
            MViTV2S(weights="none").check(*clip)
    odd = MViTV2S(weights="none", frames=5, size=70)
    odd.check(5, 70, 70)
    network = seeded(odd.architecture)
    with torch.no_grad():
        assert bool(network(torch.randn(1, 3, 5, 70, 70)).isfinite().all())
    with pytest.raises(ModelError, match=r"built for clips of \(5, 70, 70\)"):
        network(torch.zeros(1, 3, 4, 70, 70))


def test_weights_of_its_own_size_fill_a_multiscale_transformer_of_any_size(tmp_path: Path) -> None:
    official = seeded(SMALL_MVIT.plain, 400)  # torchvision builds it for 16 x 224 x 224
    torch.save(official.state_dict(), tmp_path / "mvit.pth")
    small = MViTV2S(weights_file=tmp_path / "mvit.pth", frames=4, size=32).build(2)
    trained = official.blocks[14].attn.rel_pos_h
    assert torch.equal(small.get_submodule("stage4").blocks[0].attn.rel_pos_h, trained)
    assert small.head[-1].out_features == 2


@pytest.mark.parametrize(
    "backbone", [R3D18(), MC318(), R2Plus1D18(), S3D(), MViTV2S(), Swin3DT()], ids=lambda each: each.architecture_name
)
def test_addresses_hashes_and_means_are_torchvisions(backbone: TorchvisionVideo) -> None:
    from torchvision.models import get_model_weights

    official = get_model_weights(backbone.architecture_name).KINETICS400_V1
    file = backbone.official_weights
    assert file.url == official.url
    assert file.hash_prefix
    assert file.hash_prefix in official.url
    spec, transforms = backbone.input_spec, official.transforms()
    assert (list(spec.mean), list(spec.std)) == (list(transforms.mean), list(transforms.std))
    assert spec.standardise == "fixed"
    assert list(backbone.known_weights()) == [file]


@pytest.mark.parametrize("name", FrameCnn.model_fields["network"].annotation.__args__)  # type: ignore[union-attr]
def test_addresses_and_means_of_the_networks_for_images_are_torchvisions(name: str) -> None:
    from torchvision.models import get_model_weights

    official = get_model_weights(name).IMAGENET1K_V1
    backbone = FrameCnn(network=name)  # type: ignore[arg-type]
    assert backbone.official_weights.url == official.url
    transforms = official.transforms()
    spec = backbone.input_spec
    assert (list(spec.mean), list(spec.std)) == (list(transforms.mean), list(transforms.std))
    assert backbone.official_weights in FrameCnn.known_weights()


@pytest.mark.parametrize("backbone", [SMALL_SWIN, S3D(weights="none"), FrameCnn(weights="none")])
def test_official_weights_fill_all_but_the_head(backbone: PretrainedBackbone, tmp_path: Path) -> None:
    torch.manual_seed(1)
    official = backbone.plain(400)
    torch.save(official.state_dict(), tmp_path / "official.pth")
    pretrained = "imagenet" if isinstance(backbone, FrameCnn) else "kinetics400"
    filled = backbone.model_copy(update={"weights": pretrained, "weights_file": tmp_path / "official.pth"})
    network, expected = filled.build(2), backbone.arranged(official)
    for (name, found), (_, planted) in zip(network.named_parameters(), expected.named_parameters(), strict=True):
        assert name.startswith("head") or torch.equal(found, planted), name
    assert next(iter(network.head.parameters())).shape[0] == 2


def test_weights_of_another_network_or_hash_are_refused(tmp_path: Path) -> None:
    torch.save(R3D18(weights="none").plain(400).state_dict(), tmp_path / "r3d.pth")
    for backbone in (MC318(weights_file=tmp_path / "r3d.pth"), Swin3DT(weights_file=tmp_path / "r3d.pth")):
        with pytest.raises(ModelError, match="do not fit the network"):
            backbone.build(1)
    (tmp_path / "r3d.pth").rename(tmp_path / "r3d_18-b3b3357e.pth")
    with pytest.raises(ModelError, match="does not begin with b3b3357e"):
        R3D18(weights_file=tmp_path / "r3d_18-b3b3357e.pth").build(1)


@pytest.mark.parametrize("backbone", [SMALL_SWIN, SMALL_MVIT], ids=["swin3d_t", "mvit_v2_s"])
def test_gradients_explain_the_transformers(backbone: Backbone) -> None:
    """Gradient times input sums to how fast the output changes as the clip is scaled."""
    network = seeded(backbone.build).double()
    clips, step = torch.randn(1, 3, 4, 32, 32).double(), 1e-5
    found = mien.explain(network, clips, method="input_x_gradient", backbone=backbone).relevance
    with torch.no_grad():
        change = (network(clips * (1 + step)) - network(clips * (1 - step))) / (2 * step)
    assert float(found.sum()) == pytest.approx(float(change), rel=1e-5)
    for method, fields in (("smoothgrad", {"samples": 2}), ("integrated_gradients", {"steps": 2, "max_steps": 2})):
        other = mien.explain(network, clips, method=method, backbone=backbone, **fields).relevance
        assert float(other.abs().sum()) > 0


def test_what_cannot_explain_a_transformer_says_why_before_computing() -> None:
    clips = torch.zeros(1, 3, 4, 32, 32)
    for backbone, methods in ((SMALL_SWIN, ("lrp", "deeplift")), (SMALL_MVIT, ("lrp", "deeplift", "grad_cam"))):
        model = explained_model(backbone, seeded(backbone.architecture))
        for name in methods:
            made: AttributionMethod = REGISTRY.create("attribution", name)
            with pytest.raises(ModelError, match=r"attention|class token"):
                made.check(model)
            with pytest.raises(ModelError, match=r"attention|class token"):
                mien.explain(model.module, clips, method=made, backbone=backbone)


def test_the_map_of_a_swin_transformer_is_that_of_its_cells() -> None:
    """Its head is linear on the mean over cells: the map is the head's answer to every cell, over their number."""
    network, clips = seeded(SMALL_SWIN.architecture), torch.randn(1, 3, 4, 64, 64)
    with torch.no_grad():
        cells = network[:5](clips)
    answers = torch.einsum("c,bcthw->bthw", network.head.weight[0], cells) / cells[0, 0].numel()
    expected = nn.functional.interpolate(answers[:, None], (4, 64, 64), mode="trilinear", align_corners=False)
    found = mien.explain(network, clips, method="grad_cam", backbone=SMALL_SWIN).relevance
    torch.testing.assert_close(found.sum(1), expected[:, 0], rtol=1e-4, atol=1e-6)


def calibrated(network: nn.Module, clips: Tensor) -> nn.Module:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
            module.momentum = None
    with torch.no_grad():
        network.train()(clips)
    return network.eval()


def test_lrp_conserves_on_s3d_whose_batch_norms_have_a_large_eps() -> None:
    clips = torch.randn(2, 3, 8, 64, 64)
    network = calibrated(small_s3d(), clips)
    assert {module.eps for module in network.modules() if isinstance(module, nn.BatchNorm3d)} == {1e-3}
    for composite in ("gamma", "epsilon_plus"):
        found = mien.explain(
            network, clips[:1], method="lrp", composite=composite, backbone=S3D(weights="none")
        ).explanation
        assert float((found.gap / found.output).abs()) < 1e-3


def test_deeplift_is_complete_on_s3d() -> None:
    """Its poolings overlap, follow activations, and stand in branches beside convolutions."""
    clips = torch.randn(2, 3, 8, 64, 64)
    network = calibrated(small_s3d(), clips)
    found = mien.explain(network, clips[:1], method="deeplift", baseline="blur", backbone=S3D(weights="none"))
    change = found.explanation.output - found.explanation.baseline_output
    assert float(found.explanation.gap.abs()) < 1e-3 * float(change.abs())


def test_an_illegal_size_is_found_in_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(
        """
dataset: animated_face
detector: mediapipe
cropper: { use: face, width: 112, height: 112 }
backbone: { use: s3d, weights: none }
objective: { use: regression, name: AU12 }
windows: { frames: 16 }
explain: { methods: { lift: { use: deeplift } } }
"""
    )
    (problem,) = misfits(load_config(file), REGISTRY)
    assert problem.key == "backbone"
    assert "at least 13 frames of 209 x 209 pixels; these have 16 frames of 112 x 112" in problem.message
    file.write_text(file.read_text().replace("112", "224").replace("s3d", "mvit_v2_s"))
    (problem,) = misfits(load_config(file), REGISTRY)
    assert problem.key == "explain.methods.lift"
    assert "attention" in problem.message
