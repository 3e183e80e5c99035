"""Which device computes."""

from __future__ import annotations

from typing import Literal

import torch

from mien.errors import ConfigError

DeviceName = Literal["cpu", "cuda"]


def resolve_device(name: str) -> DeviceName:
    """Return the device for ``auto``, ``cpu`` or ``cuda``; ``auto`` takes a GPU when there is one.

    Raises
    ------
    ConfigError
        When the name is unknown, or there is no GPU that torch can use.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return "cuda" if available else "cpu"
    if name == "cpu":
        return "cpu"
    if name != "cuda":
        raise ConfigError(f"There is no device '{name}'.", hint="Known: auto, cpu, cuda.", where="device")
    if not available:
        raise ConfigError("torch finds no CUDA device.", hint="Use 'auto' or 'cpu'.", where="device")
    return "cuda"


def require_devices(device: DeviceName, count: int) -> None:
    """Raise `ConfigError` when there are fewer GPUs than ``count``; on a CPU processes share the cores."""
    found = torch.cuda.device_count()
    if device == "cuda" and found < count:
        raise ConfigError(
            f"{count} devices shall train, but torch finds {found} CUDA device{'' if found == 1 else 's'}.",
            where="training.devices",
            hint=f"Set it to {found}." if found else "Train on one device.",
        )
