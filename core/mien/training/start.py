"""The network that a training begins with: as the backbone makes it, or with the weights of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from torch import Tensor, nn

from mien.config.run_config import RunConfig, dump
from mien.errors import ModelError
from mien.interfaces import Backbone
from mien.promises import at_work
from mien.training.checkpoint import WEIGHTS_FILE, load_weights, read_checkpoint

_WHERE = "training.start_from"


def initial_network(config: RunConfig, start: Path | None = None) -> nn.Module:
    """Return the network before its first step; random weights are drawn from torch's global generator.

    With ``start`` the backbone's own pretrained weights are neither needed nor fetched.

    Parameters
    ----------
    start : Path, optional
        A checkpoint's folder.

    Raises
    ------
    ModelError
        When the checkpoint is missing or damaged, or is of another backbone, input or architecture.
    """
    if start is None:
        with at_work(config.backbone, "build"):
            return config.backbone.build(config.objective.outputs)
    folder, about, state = read_checkpoint(start)
    refuse_another_input(config, about["config"], folder)
    with at_work(config.backbone, "architecture"):
        network = config.backbone.architecture(config.objective.outputs)
    if config.training.start_head == "new":
        state = _with_own_head(config.backbone, network, state)
    try:
        load_weights(network, state, where=str(folder / WEIGHTS_FILE))
    except ModelError as error:
        differing = _differing_fields(dump(config.backbone), about["config"]["backbone"], "backbone")
        fields = f" {_sentence(differing)}" if differing else ""
        hint = f"{error.hint} A head of another size is replaced by 'training.start_head: new'."
        raise ModelError(error.message + fields, where=f"{_WHERE}, {error.where}", hint=hint) from error
    return network


def start_digest(start: Path) -> str:
    """Return the SHA-256 of a checkpoint's weights, which were verified against it.

    Raises
    ------
    ModelError
        When the checkpoint is missing or damaged.
    """
    return str(read_checkpoint(start)[1]["sha256"])


def _with_own_head(backbone: Backbone, network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the state with the network's own head in the place of the checkpoint's."""
    own = network.state_dict(keep_vars=True)
    stages = list(backbone.stages(network).values())
    head = {id(value) for value in stages[-1].state_dict(keep_vars=True).values()} if stages else set()
    names = {name for name, value in own.items() if id(value) in head}
    if not names or len(names) == len(own):
        raise ModelError(
            f"The backbone '{backbone.use}' does not tell its head from the rest of the network.",
            where=_WHERE,
            hint="Keep the head with 'training.start_head: keep', or name the backbone's stages.",
        )
    kept = {name: value for name, value in state.items() if name not in names}
    return kept | {name: own[name].detach() for name in names}


def refuse_another_input(config: RunConfig, made: Mapping[str, Any], path: Path) -> None:
    """Raise an error when the network to start from is of another backbone, or saw its clips in another way.

    Parameters
    ----------
    made : mapping
        The configuration it was trained with, dumped; of it ``backbone`` and ``cropper`` are looked at.
    path : Path
        What `start_from` names, for the error.

    Raises
    ------
    ModelError
        It says which fields differ.
    """
    if made["backbone"].get("use") != config.backbone.use:
        differing = [_difference("backbone", config.backbone.use, made["backbone"].get("use"))]
    else:
        sizes = {name: getattr(config.cropper, name) for name in ("height", "width")}
        differing = _differing_fields(sizes, made["cropper"], "cropper")
        differing += _differing_fields(_input(config.backbone), _input(_made_with(config.backbone, made)), "input")
    if differing:
        raise ModelError(
            f"The network to start from does not fit the configuration. {_sentence(differing)}",
            where=f"{_WHERE}, {path}",
            hint="Use the backbone and the crop size that it was trained with, or another checkpoint.",
        )


def _input(backbone: Backbone | None) -> dict[str, Any]:
    """Return how a backbone wants its clips; their number of frames is left to the windows."""
    spec = asdict(backbone.input_spec) if backbone is not None else {}
    return {name: value for name, value in spec.items() if name in {"layout", "standardise", "mean", "std"}}


def _made_with(backbone: Backbone, made: Mapping[str, Any]) -> Backbone | None:
    """Return the checkpoint's backbone; None when this version does not take its fields: the weights decide then."""
    fields = {name: value for name, value in made["backbone"].items() if name != "use"}
    try:
        return type(backbone).model_validate(fields)
    except ValidationError:
        return None


def _differing_fields(own: Mapping[str, Any], made: Mapping[str, Any], place: str) -> list[str]:
    return [
        _difference(f"{place}.{name}", own[name], made[name])
        for name in own
        if name in made and own[name] != made[name]
    ]


def _difference(name: str, own: Any, made: Any) -> str:
    return f"{name} is {own!r} here and {made!r} there"


def _sentence(differences: list[str]) -> str:
    return "; ".join(differences) + "."
