"""What a stage of a network gives for each window, as one row of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

from mien import ConfigError, ModelError, create, nearest, stage_features

if TYPE_CHECKING:
    from torch import Tensor

    from mien import Backbone, ClipBatch, ClipKey, ExplainedModel, FloatArray, Layout, RunView

Pooling = Literal["mean", "time", "none"]


@dataclass(frozen=True)
class Features:
    """Features of windows.

    Attributes
    ----------
    values : ndarray of float64, shape (n, d)
        One row a window.
    stage : str
        The stage that they are of.
    network : str
        ``run``, or the id of another backbone.
    """

    values: FloatArray
    stage: str
    network: str


def made_backbone(fields: Mapping[str, Any]) -> Backbone:
    """Return the backbone that a field such as ``{use: frame_cnn, network: vgg16}`` means.

    Raises
    ------
    ConfigError
        When ``use`` is missing, or there is no such backbone or parameter.
    PluginError
        When what it needs is not installed.
    """
    if "use" not in fields:
        raise ConfigError("A backbone needs 'use', the id of an installed one.", hint="See `mien plugins list`.")
    parameters = {str(name): value for name, value in fields.items() if name != "use"}
    return cast("Backbone", create("backbone", str(fields["use"]), **parameters))


def require_stage(model: ExplainedModel, stage: str | None, backbone: Mapping[str, Any] | None) -> None:
    """Raise an error when the network, or that of another backbone, has no such stage; nothing is fetched.

    Raises
    ------
    ModelError
        When there is no such stage (the nearest name is told), or no stage at all.
    """
    if backbone is not None:
        import torch

        from mien import ExplainedModel

        made = made_backbone(backbone)
        with torch.random.fork_rng(devices=[]):
            module = made.architecture(1)
        model = ExplainedModel(module, made.stages(module), name=f"the backbone '{made.use}'")
    if stage is None:
        _default(model)
    elif stage not in model.stages:
        raise ModelError(f"{model.name} has no stage '{stage}'.", where="stage", hint=nearest(stage, model.stages))


def features_of(
    run: RunView,
    keys: Sequence[ClipKey],
    stage: str | None,
    pooling: Pooling,
    backbone: Mapping[str, Any] | None,
    size: int | None,
    seed: int,
) -> Features:
    """Return the features of windows in a stage of the run's network, or of another backbone.

    Parameters
    ----------
    run : RunView
    keys : sequence of ClipKey
        At least one.
    stage : str or None
        None: the last one before the head.
    pooling : {"mean", "time", "none"}
        See `pooled`.
    backbone : mapping or None
        ``use`` and the parameters of another backbone.
    size : int or None
        Side of the clips for that backbone, pixels; None: as they are.
    seed : int
        Decides its random weights.

    Raises
    ------
    ModelError
        When there is no such stage (the nearest name is told), the network cannot take the clips, or features are not
        finite.
    """
    import numpy as np

    if backbone is None:
        model = run.model_of(keys[0].recording)
        name, stage = "run", stage or _default(model)
        parts: Iterator[Tensor] = (output for _, output in run.features(stage, keys))
    else:
        name = str(backbone.get("use", ""))
        made = made_backbone(backbone)
        for batch in run.clips(keys[:1], spec=made.input_spec):  # before a large network is made for nothing
            _check(made, _sized(batch, size), batch.layout)
        model = _fresh(made, seed, run)
        stage = stage or _default(model)
        parts = _outputs(run, keys, made, model, stage, size)
    tokens = "convolutional_stages" in model.lacks
    rows = [pooled(part, pooling, tokens).double().numpy() for part in parts]
    values = np.concatenate(rows)
    if not np.isfinite(values).all():
        raise ModelError(f"The output of the stage '{stage}' of {model.name} is not finite for some windows.")
    return Features(values, stage, name)


def _default(model: ExplainedModel) -> str:
    names = list(model.stages)
    if not names:
        raise ModelError(f"{model.name} names no stages.", hint="Choose a backbone that does.")
    return names[max(0, len(names) - 2)]  # the last one holds the head


def _fresh(backbone: Backbone, seed: int, run: RunView) -> ExplainedModel:
    """Return another network with its own weights, on the device of the run's."""
    import torch

    from mien import ExplainedModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = backbone.build(run.objective.outputs)
    device = next((parameter.device for parameter in run.model.module.parameters()), torch.device("cpu"))
    module = module.to(device).eval()
    return ExplainedModel(module, backbone.stages(module), lacks=backbone.lacks, name=f"the backbone '{backbone.use}'")


def _outputs(
    run: RunView, keys: Sequence[ClipKey], backbone: Backbone, model: ExplainedModel, stage: str, size: int | None
) -> Iterator[Tensor]:
    import torch

    device = next((parameter.device for parameter in model.module.parameters()), torch.device("cpu"))
    for batch in run.clips(keys, spec=backbone.input_spec):
        yield stage_features(model, _sized(batch, size).to(device), stage)


def _sized(batch: ClipBatch, size: int | None) -> Tensor:
    return batch.inputs if size is None or batch.layout != "video" else resized(batch.inputs, size)


def _check(backbone: Backbone, clips: Tensor, layout: Layout) -> None:
    if layout == "video":
        frames, height, width = clips.shape[2:]
        backbone.check(frames, height, width)


def resized(clips: Tensor, size: int) -> Tensor:
    """Return clips ``(B, C, T, H, W)`` whose frames have ``size`` x ``size`` pixels, bilinear and antialiased."""
    from torch.nn.functional import interpolate

    count, channels, time = clips.shape[:3]
    frames = clips.transpose(1, 2).flatten(0, 1)
    frames = interpolate(frames, size=(size, size), mode="bilinear", antialias=True, align_corners=False)
    return frames.view(count, time, channels, size, size).transpose(1, 2)


def pooled(output: Tensor, pooling: Pooling, tokens: bool) -> Tensor:
    """Return one row of numbers a clip.

    Parameters
    ----------
    output : Tensor, shape (B, C, ...)
        Channels are the second axis, time the third; ``(B, N, C)`` with ``tokens``.
    pooling : {"mean", "time", "none"}
        ``mean``: of each channel over all else; ``time``: over time alone, so that places in the picture are kept;
        ``none``: nothing is averaged.

    Raises
    ------
    ConfigError
        When time shall be averaged, and tokens have no axis of time.
    """
    if output.ndim <= 2 or pooling == "none":
        return output.reshape(len(output), -1)
    if tokens and pooling == "time":
        raise ConfigError("The stage gives tokens, which have no axis of time.", hint="Set pooling to mean or none.")
    channels_first = output.movedim(-1, 1) if tokens else output
    return channels_first.flatten(2).mean(2) if pooling == "mean" else output.mean(2).flatten(1)
