"""What attribution methods share: leaving the network as found, one number a clip or a stage's output, batches."""

from mien.attribution.batches import Batches, in_batches, over_clips, rows_at_once
from mien.attribution.guard import differentiable, forward, one_by_one, unreached, untouched
from mien.attribution.stages import stage_features

__all__ = [
    "Batches",
    "differentiable",
    "forward",
    "in_batches",
    "one_by_one",
    "over_clips",
    "rows_at_once",
    "stage_features",
    "unreached",
    "untouched",
]
