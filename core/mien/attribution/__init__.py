"""What attribution methods share: leaving the network as it was found, asking it for one number a clip, batches."""

from mien.attribution.batches import Batches, in_batches, over_clips, rows_at_once
from mien.attribution.guard import differentiable, forward, one_by_one, untouched

__all__ = [
    "Batches",
    "differentiable",
    "forward",
    "in_batches",
    "one_by_one",
    "over_clips",
    "rows_at_once",
    "untouched",
]
