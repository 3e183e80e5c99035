"""What this distribution registers."""

from __future__ import annotations

from mien import Registrar, hookimpl

MIEN_API = "1"


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the network and its attention maps."""
    registry.backbone(
        "hmhn",
        "mien_hmhn.backbone:Hmhn",
        help="Li et al. 2023: grid-wise and multi-head cross attention on single frames",
    )
    registry.attribution(
        "hmhn_attention",
        "mien_hmhn.attention:HmhnAttention",
        help="Li et al. 2023: where the backbone hmhn looks",
    )
