"""What the distribution registers."""

from __future__ import annotations

from mien import Registrar, hookimpl

MIEN_API = "1"


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the analyzer."""
    registry.analyzer(
        "gaze_agreement",
        "mien_gaze.analyzer:GazeAgreement",
        requires=["scipy"],
        help="agreement of relevance maps with human fixations: NSS, CC, SIM, KL, AUC-Judd, shuffled AUC",
    )
