"""What the distribution registers."""

from __future__ import annotations

from mien import Registrar, hookimpl

MIEN_API = "1"


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the analyzer; nothing is imported before its first use."""
    registry.analyzer(
        "manifold",
        "mien_manifold.analyzer:Manifold",
        requires=["sklearn"],
        help="features of a stage in few dimensions: how true the picture is, and how its axes go with ratings",
    )
