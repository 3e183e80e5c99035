"""One real face, animated by known Action Units: data whose explanation is known in advance.

`AnimatedFace` is the data set.  What it plants can be asked for without any detector: the renderer of a
participant gives frames with exact landmarks (`AnimatedFace.renderer`), and `AnimatedFace.truth_map` says
where an Action Unit shows: the counterfactual ``|render(AU = 1) - render(AU = 0)|``.
"""

from mien_plugins.datasets.animated_face.dataset import AnimatedFace

__all__ = ["AnimatedFace"]
