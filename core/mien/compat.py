"""Lets torchvision be imported next to a torch build that its compiled operators do not fit.

torchvision's published wheel is built for CUDA; next to a CPU-only torch its operators do not load, and the
import fails because it annotates two operators that do not exist.  The video networks need none of them, so
declaring the two schemas is enough.  With a matching pair nothing is done.
"""

from __future__ import annotations

import importlib
import importlib.util
from functools import lru_cache
from typing import Any

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}
_library: list[Any] = []  # a torch library lives as long as its object


@lru_cache(maxsize=1)
def prepare_torchvision() -> bool:
    """Make torchvision importable; call it before torchvision, zennit or lightning is imported.

    Returns
    -------
    bool
        True when the two schemas had to be declared.
    """
    import torch

    if importlib.util.find_spec("torchvision") is None:
        return False
    try:
        importlib.import_module("torchvision.extension")
    except RuntimeError as error:  # the operators are absent; torchvision/__init__ stumbled over the first
        if "torchvision::" not in str(error):
            raise
        _forget("torchvision")
    else:
        return False
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for schema in _SCHEMAS.values():
        library.define(schema)
    _library.append(library)
    importlib.import_module("torchvision")
    return True


def _forget(package: str) -> None:
    import sys

    for name in [name for name in sys.modules if name == package or name.startswith(package + ".")]:
        del sys.modules[name]
