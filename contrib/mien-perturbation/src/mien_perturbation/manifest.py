"""What this distribution registers with mien."""

from __future__ import annotations

from mien import Registrar, hookimpl

MIEN_API = "1"


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the two methods and the analyzer; nothing is imported before its first use."""
    registry.attribution(
        "lime",
        "mien_perturbation.lime:Lime",
        help="Ribeiro et al. 2016; a linear surrogate of regions in stretches of time",
    )
    registry.attribution(
        "rise",
        "mien_perturbation.rise:Rise",
        help="Petsiuk et al. 2018; random masks, smooth in space and time",
    )
    registry.analyzer(
        "group_regions",
        "mien_perturbation.group_regions:GroupRegions",
        help="importance of regions, compared between two cohorts of people",
    )
