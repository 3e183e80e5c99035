"""Reads weight files without running code that they hold."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from mien.errors import ModelError


def read_weights(path: Path) -> Mapping[str, Tensor]:
    """Return the tensors of a safetensors file, or of a torch file read with ``weights_only``.

    A torch file may hold the state dict itself or have it under ``state_dict``.

    Raises
    ------
    ModelError
        When the file is absent, damaged, or holds anything but named tensors.
    """
    if not path.is_file():
        raise ModelError("There is no such weight file.", where=str(path), hint="Correct the path of the weights.")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with warnings.catch_warnings():
            # torch asks for bug reports about foreign pickles; what it cannot read becomes the error below.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        # Of a pickle torch says how to run its code all the same, which nobody should.
        pickled = isinstance(error, pickle.UnpicklingError)
        reason = "it is damaged, or holds more than tensors." if pickled else str(error) or "it ends early."
        raise ModelError(
            f"The weight file cannot be read: {reason.splitlines()[0]}",
            where=str(path),
            hint="Save it as safetensors, or with torch.save(network.state_dict(), file).",
        ) from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not (isinstance(content, Mapping) and all(isinstance(value, Tensor) for value in content.values())):
        raise ModelError(
            "The weight file holds no state dict.",
            where=str(path),
            hint="Save it with torch.save(network.state_dict(), file).",
        )
    return {str(name): value for name, value in content.items()}


def load_weights(network: nn.Module, weights: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into the network; `ModelError` names what is missing, left over, or of another shape."""
    own = network.state_dict()
    problems = [f"missing: {name}" for name in own if name not in weights]
    problems += [f"unknown: {name}" for name in weights if name not in own]
    problems += [
        f"{name}: {tuple(weights[name].shape)} in the file, {tuple(value.shape)} in the network"
        for name, value in own.items()
        if name in weights and weights[name].shape != value.shape
    ]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelError(
            f"The weights do not fit the network ({'; '.join(problems[:3])}{more}).",
            where=str(path),
            hint="Check that the file belongs to this network, with this number of outputs.",
        )
    network.load_state_dict(dict(weights))
