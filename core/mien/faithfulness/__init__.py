"""Tests of explanations that need no planted truth, for any attribution method on any clips.

- `deletion_insertion` (`Perturbation`): is what is marked as relevant what the output depends on?
- `parameter_randomisation`: does the map depend on what the network has learnt?
- `stability`: does the map stay the same when the clip hardly changes?
- `similarity`: how alike two maps are, e.g. that of a network trained with shuffled labels (label randomisation).

All work clip by clip on a `ClipBatch`, on any device, are decided by their seed, and leave the network bit by bit as
it was.  quantus 0.6.0 does not fit: its perturbing metrics cut two-dimensional patches or superpixels, refuse inputs of
more axes than an image has, explain class labels alone, and seed torch globally.  captum.metrics fits videos but
explains every clip again; its `sensitivity_max` is what the tests hold `stability` against.
"""

from __future__ import annotations

from mien.faithfulness.curves import Curves, Perturbation, deletion_insertion
from mien.faithfulness.fills import Fill, filled
from mien.faithfulness.randomisation import Randomisation, own_seed, parameter_randomisation, randomised
from mien.faithfulness.similarity import pooled, similarity, structural_similarity
from mien.faithfulness.stability import Stability, noisy, stability

__all__ = [
    "Curves",
    "Fill",
    "Perturbation",
    "Randomisation",
    "Stability",
    "deletion_insertion",
    "filled",
    "noisy",
    "own_seed",
    "parameter_randomisation",
    "pooled",
    "randomised",
    "similarity",
    "stability",
    "structural_similarity",
]
