"""A published network: a folder with ``model.safetensors`` and ``checkpoint.json``; never a pickle."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mien.config.run_config import RunConfig, dump
from mien.config.settings import PoolingSettings, WindowSettings
from mien.errors import ConfigError, ModelError
from mien.interfaces import Backbone, Component, Cropper, Detector, ExplainedModel, LabelScale, Objective
from mien.interfaces.backbone import lacking
from mien.promises import at_work, broken
from mien.registry import Registry
from mien.store.keys import file_digest

_log = logging.getLogger(__name__)

WEIGHTS_FILE = "model.safetensors"
ABOUT_FILE = "checkpoint.json"
FOLD_FOLDER = "fold_"
FORMAT = 1
NOTICE = "For research use. The network's output and its explanation are not a diagnosis."
_STAGES = "'stages' returns modules of the network by their names"
_PARTS = ("detector", "cropper", "backbone", "objective")
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True)
class Checkpoint:
    """A trained network with all that is needed to use it on a new video.

    Attributes
    ----------
    module : nn.Module
        On the CPU, in evaluation mode.
    scale : LabelScale
    detector, cropper, backbone, objective : components
    windows : WindowSettings
    pooling : PoolingSettings
    seed : int
    about : mapping
        What ``checkpoint.json`` holds: training metrics, provenance, hash.
    """

    module: nn.Module
    scale: LabelScale
    detector: Detector
    cropper: Cropper
    backbone: Backbone
    objective: Objective
    windows: WindowSettings
    pooling: PoolingSettings
    seed: int
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights' file."""
        return str(self.about["sha256"])

    def explained_model(self) -> ExplainedModel:
        """Return the network as attribution methods want it."""
        return explained_model(self.backbone, self.module)


def explained_model(backbone: Backbone, module: nn.Module) -> ExplainedModel:
    """Return a network with what its backbone says of it.

    Raises
    ------
    PluginError
        When the backbone's stages are not what was promised.
    """
    with at_work(backbone, "stages"):
        stages = backbone.stages(module)
    own = set(map(id, module.modules()))
    if not isinstance(stages, Mapping):
        raise broken(backbone, f"Its stages are {type(stages).__name__}.", _STAGES)
    for name, stage in stages.items():
        if not isinstance(name, str) or id(stage) not in own:
            raise broken(backbone, f"Its stage {name!r} is no module of the network.", _STAGES)
    return ExplainedModel(
        module=module,
        stages=stages,
        lrp_canonizers=backbone.lrp_canonizers,
        lacks=lacking(backbone.lacks, backbone.input_spec.layout),
        name=f"the backbone '{backbone.use}'",
        backbone=backbone.use,
    )


def save_checkpoint(
    folder: Path,
    config: RunConfig,
    module: nn.Module,
    scale: LabelScale,
    *,
    training: Mapping[str, Any] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> Path:
    """Write the network into ``folder`` and return the folder.

    Parameters
    ----------
    training : mapping, optional
        Figures of the training, ready for JSON; NaN is written as null.
    provenance : mapping, optional
        Where it comes from (versions, the run, hashes of pretrained weights), ready for JSON.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # Tied weights share memory, which safetensors refuses; a clone each is loaded back into both places.
    state = {name: value.detach().cpu().contiguous().clone() for name, value in module.state_dict().items()}
    weights = folder / (WEIGHTS_FILE + ".part")
    save_file(state, weights, metadata={"format": "pt"})
    about = {
        "format": FORMAT,
        "notice": NOTICE,
        "sha256": file_digest(weights),
        "config": {name: dump(getattr(config, name)) for name in (*_PARTS, "windows", "pooling")},
        "components": {name: getattr(config, name).provenance() for name in _PARTS},
        "scale": scale.model_dump(),
        "seed": config.seed,
        "training": _finite(dict(training or {})),
        "provenance": dict(provenance or {}),
    }
    text = folder / (ABOUT_FILE + ".part")
    text.write_text(json.dumps(about, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    weights.replace(folder / WEIGHTS_FILE)
    text.replace(folder / ABOUT_FILE)
    return folder


def load_checkpoint(path: Path, registry: Registry) -> Checkpoint:
    """Return the network that `save_checkpoint` wrote; pretrained weights are not fetched.

    Parameters
    ----------
    path : Path
        The folder, or either file in it.
    registry : Registry
        Makes the components again.

    Raises
    ------
    ModelError
        When a file is missing, damaged or of another format, or when the weights do not fit the network.
    ConfigError, PluginError
        When a component is not installed.
    """
    folder, about, state = read_checkpoint(path)
    parts = _make_parts(about, folder, registry)
    with at_work(parts["backbone"], "architecture"):
        module = parts["backbone"].architecture(parts["objective"].outputs)
    load_weights(module, state, where=str(folder / WEIGHTS_FILE))
    return Checkpoint(
        module=module.eval(),
        scale=_section(LabelScale, "scale", about, folder),
        windows=_section(WindowSettings, "windows", about["config"], folder),
        pooling=_section(PoolingSettings, "pooling", about["config"], folder),
        seed=int(about["seed"]),
        about=about,
        **parts,
    )


def read_checkpoint(path: Path) -> tuple[Path, dict[str, Any], dict[str, Tensor]]:
    """Return the folder of a checkpoint, what its ``checkpoint.json`` says, and its weights, verified.

    Parameters
    ----------
    path : Path
        The folder, or either file in it.

    Raises
    ------
    ModelError
        When a file is missing, damaged or of another format.
    """
    folder = path if path.is_dir() else path.parent
    about = _read_about(folder, path)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise ModelError(f"The checkpoint has no {WEIGHTS_FILE}.", where=str(folder))
    if file_digest(weights) != about["sha256"]:
        raise ModelError(
            f"{WEIGHTS_FILE} is not the file that {ABOUT_FILE} describes: its SHA-256 differs.",
            where=str(folder),
            hint="The checkpoint is damaged or was changed; get it again.",
        )
    try:
        return folder, about, load_file(weights)
    except SafetensorError as error:
        raise ModelError(f"The weights cannot be read: {error}.", where=str(weights)) from error


def load_weights(module: nn.Module, state: Mapping[str, Tensor], *, where: str) -> None:
    """Load a state dict, or raise `ModelError` that names what does not fit first."""
    own = module.state_dict()
    for name, value in own.items():
        if name not in state:
            raise _misfit(f"the network has '{name}', the file has not", where)
        if value.shape != state[name].shape:
            raise _misfit(
                f"'{name}' is {tuple(value.shape)} in the network and {tuple(state[name].shape)} in the file", where
            )
        if value.dtype.is_floating_point != state[name].dtype.is_floating_point:
            raise _misfit(f"'{name}' is of {value.dtype} in the network and {state[name].dtype} in the file", where)
    extra = sorted(state.keys() - own.keys())
    if extra:
        raise _misfit(f"the file has '{extra[0]}', the network has not", where)
    module.load_state_dict(dict(state), strict=True)


def _misfit(what: str, where: str) -> ModelError:
    return ModelError(
        f"The weights are of another architecture: {what}.",
        where=where,
        hint="Use the backbone, and the version of its plugin, that the network was trained with.",
    )


def _read_about(folder: Path, path: Path) -> dict[str, Any]:
    file = folder / ABOUT_FILE
    try:
        about = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        folds = sorted(found.parent.name for found in folder.glob(f"{FOLD_FOLDER}*/{ABOUT_FILE}"))
        if folds:
            raise ModelError(
                f"The folder holds the networks of {len(folds)} folds: {', '.join(folds)}.",
                where=str(path),
                hint=f"Choose one, e.g. {folder / folds[0]}; each was tested on other participants.",
            ) from error
        raise ModelError(
            f"There is no checkpoint: {ABOUT_FILE} is missing.",
            where=str(path),
            hint="Name the folder 'checkpoint' that a run wrote.",
        ) from error
    except (OSError, ValueError) as error:
        raise ModelError(f"The checkpoint cannot be read: {error}.", where=str(file)) from error
    known = about.get("format") if isinstance(about, dict) else None
    if known != FORMAT:
        raise ModelError(
            f"The checkpoint has the format {known!r}; this mien reads {FORMAT}.",
            where=str(file),
            hint="It was made by another version of mien, or is no checkpoint of mien's.",
        )
    wrong = _wrong_entry(about)
    if wrong:
        raise ModelError(f"The checkpoint lacks '{wrong}', or holds another value than mien writes.", where=str(file))
    return dict(about)


def _wrong_entry(about: Mapping[str, Any]) -> str | None:
    """Return the first entry that is missing or of another type than `save_checkpoint` writes; None where all fit."""
    wanted = {"sha256": str, "config": dict, "scale": dict, "seed": int}
    wrong = [name for name, type_ in wanted.items() if not isinstance(about.get(name), type_)]
    wrong += [name for name in ("components", "training", "provenance") if not isinstance(about.get(name, {}), dict)]
    if wrong:
        return wrong[0]
    if not isinstance(about.get("provenance", {}).get("weights", {}), dict):
        return "provenance.weights"
    config = about["config"]
    wrong = [name for name in (*_PARTS, "windows", "pooling") if not isinstance(config.get(name), dict)]
    wrong = wrong or [f"{name}.use" for name in _PARTS if not isinstance(config[name].get("use"), str)]
    return f"config.{wrong[0]}" if wrong else None


def _section(model: type[_Model], name: str, entries: Mapping[str, Any], folder: Path) -> _Model:
    try:
        return model.model_validate(entries[name])
    except ValidationError as error:
        raise ModelError(f"The checkpoint's '{name}' cannot be used: {_first(error)}.", where=str(folder)) from error


def _first(error: ValidationError) -> str:
    """Return the first thing that is wrong, in a line."""
    wrong = error.errors()[0]
    place = ".".join(str(part) for part in wrong["loc"])
    return f"{place}: {wrong['msg']}" if place else str(wrong["msg"])


def _make_parts(about: Mapping[str, Any], folder: Path, registry: Registry) -> dict[str, Any]:
    parts: dict[str, Any] = {}
    for kind in _PARTS:
        fields = dict(about["config"][kind])
        use = str(fields.pop("use"))
        try:
            parts[kind] = registry.create(kind, use, fields)
        except ValidationError as error:
            raise ModelError(
                f"The installed {kind} '{use}' does not take the checkpoint's fields: {_first(error)}.",
                where=str(folder),
            ) from error
        except ConfigError as error:
            raise ConfigError(error.message, where=str(folder), hint=error.hint) from error
        _compare_versions(kind, parts[kind], about.get("components", {}).get(kind, {}))
    return parts


def _compare_versions(kind: str, component: Component, made_with: Mapping[str, Any]) -> None:
    before = made_with.get("version", component.version)
    if before != component.version:
        _log.warning(
            "The network was trained with version %s of the %s '%s'; installed is version %s, which may give other "
            "results.",
            before,
            kind,
            component.use,
            component.version,
        )


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
