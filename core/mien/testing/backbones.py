"""What every backbone promises."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mien.errors import ModelError
from mien.interfaces import Backbone
from mien.testing.checks import attempted, pins
from mien.testing.component import ComponentSuite
from mien.types import InputSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

_POINTS = 478


def clips(spec: InputSpec, count: int = 2) -> Tensor:
    """Return random clips that fit ``spec``."""
    import torch

    generator = torch.Generator().manual_seed(0)
    if spec.layout == "landmarks":
        return torch.randn((count, spec.frames, _POINTS, 2), generator=generator)
    return torch.randn((count, 3, spec.frames, spec.height, spec.width), generator=generator)


def seeded(backbone: Backbone, outputs: int = 1) -> nn.Module:
    """Return the network built under a fixed seed."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return backbone.build(outputs).eval()


def shared(backbone: Backbone) -> nn.Module:
    """Return the network of two outputs that checks share which change nothing of it; large ones take time to build."""
    return _built(type(backbone), backbone.model_dump_json())


@lru_cache(maxsize=1)  # by fields: a component that has a mapping cannot be hashed
def _built(kind: type[Backbone], fields: str) -> nn.Module:
    return seeded(kind.model_validate_json(fields), 2)


class BackboneSuite(ComponentSuite):
    """Checks of a backbone at its default input size."""

    guarantees: ClassVar[Mapping[str, str]] = {
        "outputs": "Clips of `input_spec` become finite float32 numbers, (B, outputs), for any number of outputs.",
        "batch": "In evaluation mode a clip's output does not depend on its batch.",
        "seed": "The same seed gives the same weights; without one they differ.",
        "deterministic": "In evaluation mode the same clip gives the same output, and the network stays as it was.",
        "architecture": "`architecture` has the weights of `build`, by name and shape: a checkpoint fits.",
        "stages": "The stages are modules of the network, from the input to the head, which the last one holds.",
        "input": "Its own input size is legal.",
        "sizes": "A size that `check` takes works, and one that it refuses is a ModelError with a hint.",
        "capabilities": "What it does not say it lacks, it has: gradients, and stages of (B, C, T, H, W).",
        "extra loss": "`extra_loss` after a pass in training is None, or a finite scalar with a gradient.",
        "reasons": "What it lacks has a reason, in a sentence.",
    }

    def use(self, made: Backbone, folder: Path) -> object:
        """Build the network."""
        return made.build(1)

    def run_parts(self, made: Backbone) -> Mapping[str, Any]:
        """Return it with clips of its own size, explained by what it can give."""
        from mien.registry import load_registry
        from mien.testing.parts import SmallStudy

        spec = made.input_spec
        parts: dict[str, Any] = {
            "backbone": made,
            "windows": {"frames": spec.frames, "overlap": 0.0},
            "dataset": SmallStudy(frames=spec.frames),
        }
        if spec.layout == "video":
            size = {"height": spec.height, "width": spec.width}
            parts["cropper"] = load_registry().create("cropper", "face", size)
        if "gradient" in made.lacks:
            parts["methods"] = {"method": load_registry().create("attribution", "occlusion")}
        return parts

    def check_run(self, run: Any, made: Backbone) -> None:
        """Find the predictions."""
        assert run.table("predictions")["prediction"].notna().all()

    @pins("outputs")
    def test_clips_become_outputs(self, made: Backbone) -> None:
        """``(B, C, T, H, W)`` to ``(B, outputs)``."""
        import torch

        network, inputs = shared(made), clips(made.input_spec)
        with torch.no_grad():
            output = network(inputs)
        assert output.shape == (2, 2), f"{tuple(output.shape)} for two clips and two outputs"
        assert output.dtype == torch.float32
        assert bool(output.isfinite().all())

    @pins("batch")
    def test_a_clip_does_not_depend_on_its_batch(self, made: Backbone) -> None:
        """Batched equals single."""
        import torch

        network, inputs = shared(made), clips(made.input_spec)
        with torch.no_grad():
            torch.testing.assert_close(network(inputs[:1]), network(inputs)[:1], atol=1e-4, rtol=1e-3)

    @pins("seed")
    def test_the_seed_decides_the_weights(self, made: Backbone) -> None:
        """Twice the same seed, twice the same network."""
        import torch

        first, second = seeded(made).state_dict(), seeded(made).state_dict()
        different = [name for name in first if not torch.equal(first[name], second[name])]
        assert not different, f"they differ: {different[:3]}"

    @pins("deterministic")
    def test_evaluating_changes_nothing(self, made: Backbone) -> None:
        """The same output twice; buffers and modes as before."""
        import torch

        from mien.testing.attribution import assert_same_state, network_state

        network, inputs = shared(made), clips(made.input_spec, 1)
        before = network_state(network)
        with torch.no_grad():
            first, second = network(inputs), network(inputs)
        assert torch.equal(first, second), "the second output differs"
        assert_same_state(before, network_state(network))

    @pins("stages")
    def test_its_stages_are_its_own(self, made: Backbone) -> None:
        """Stages are modules of the network; the last one holds the head."""
        network = shared(made)
        stages = made.stages(network)
        modules = set(network.modules())
        assert stages
        assert all(stage in modules for stage in stages.values())
        assert list(list(stages.values())[-1].parameters()), "the last stage has no weights"

    @pins("architecture")
    def test_architecture_has_the_same_weights_by_name(self, made: Backbone) -> None:
        """A checkpoint is loaded into `architecture`, without pretrained weights."""
        built, bare = made.build(1).state_dict(), made.architecture(1).state_dict()
        assert {name: value.shape for name, value in built.items()} == {
            name: value.shape for name, value in bare.items()
        }

    @pins("input")
    def test_it_takes_its_own_size(self, made: Backbone) -> None:
        """The default size is legal."""
        spec = made.input_spec
        assert spec.layout in {"video", "landmarks"}
        assert spec.frames >= 1
        assert spec.layout == "landmarks" or min(spec.height, spec.width) >= 1
        made.check(spec.frames, spec.height, spec.width)

    @pins("sizes")
    def test_check_tells_the_truth(self, made: Backbone) -> None:
        """Of a single frame, and of small ones."""
        import torch

        spec = made.input_spec
        sizes = {(1, spec.height, spec.width)}
        if spec.layout == "video":
            sizes |= {(spec.frames, 16, 16), (2, 40, 24)}
        network = shared(made)
        for frames, height, width in sorted(sizes):
            refusal = attempted(partial(made.check, frames, height, width))
            if refusal is not None:
                assert isinstance(refusal, ModelError)
                assert refusal.hint, f"the refusal of {frames} x {height} x {width} has no hint"
                continue
            own = InputSpec(layout=spec.layout, frames=frames, height=height, width=width)
            with torch.no_grad():
                output = network(clips(own, 1))
            assert output.shape == (1, 2), f"a clip of {frames} x {height} x {width} gives {tuple(output.shape)}"

    @pins("capabilities")
    def test_it_has_what_it_does_not_lack(self, made: Backbone) -> None:
        """A gradient reaches the input; a stage's output is a map of space and time."""
        import torch

        network, inputs = shared(made), clips(made.input_spec, 1)
        shapes: list[int] = []
        hooks = [
            stage.register_forward_hook(lambda module, given, made: shapes.append(getattr(made, "ndim", 0)))
            for stage in made.stages(network).values()
        ]
        with torch.enable_grad():
            point = inputs.clone().requires_grad_()
            output = network(point)
        for hook in hooks:
            hook.remove()
        if "gradient" not in made.lacks:
            (slope,) = torch.autograd.grad(output.sum(), point)
            assert bool(slope.isfinite().all())
            assert bool(slope.any()), "no gradient reaches the input"
        if made.input_spec.layout == "video" and "convolutional_stages" not in made.lacks:
            assert 5 in shapes, "no stage's output is (B, C, T, H, W)"

    @pins("extra loss")
    def test_what_it_adds_to_the_loss_trains_it(self, made: Backbone) -> None:
        """It is asked once a pass."""
        import torch

        with torch.enable_grad():
            network = seeded(made).train()
            network(clips(made.input_spec))
            extra = made.extra_loss(network)
        if extra is not None:
            assert extra.shape == ()
            assert bool(extra.isfinite())
            assert extra.requires_grad

    @pins("reasons")
    def test_what_it_lacks_has_a_reason(self, made: Backbone) -> None:
        """A sentence each."""
        for need, reason in made.lacks.items():
            assert reason.strip(), f"'{need}' has no reason"
