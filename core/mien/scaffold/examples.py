"""What the example of each kind is; its files are in ``templates/<kind>``."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Example:
    """The example that a new plugin of a kind begins with.

    Attributes
    ----------
    words : str
        What a component of the kind is called in a sentence.
    file : str
        The module that holds it.
    help : str
        Its line in ``mien plugins list``.
    about : str
        What it does, and what to put in its place.
    line : str
        The part of a configuration that names it; ``{name}`` is its id.
    requires : str
        The module that it imports on use beside mien's own, as its manifest declares it; empty for none.
    """

    words: str
    file: str
    help: str
    about: str
    line: str
    requires: str = ""


EXAMPLES: dict[str, Example] = {
    "dataset": Example(
        words="a data set",
        file="dataset",
        help="a folder of videos named by participant and score",
        about="The example reads a folder of videos whose names tell the participant and the score.",
        line="dataset: {{use: {name}, folder: my_videos}}",
    ),
    "detector": Example(
        words="a face detector",
        file="detector",
        help="OpenCV's face cascade with a mean face's landmarks",
        about="The example finds frontal faces with OpenCV's cascade and lays a mean face into their boxes.",
        line="detector: {name}",
        requires="cv2",
    ),
    "landmarks": Example(
        words="a landmark scheme, with a detector that gives its points",
        file="scheme",
        help="a few points of each region and the jaw",
        about="The example is a scheme of 29 points; its detector takes them out of MediaPipe's mesh.",
        line="detector: {name}  # its points are of the scheme {name}",
    ),
    "cropper": Example(
        words="a cropper",
        file="cropper",
        help="the whole frame, scaled",
        about="The example gives the network the whole frame.",
        line="cropper: {{use: {name}, height: 64, width: 64}}",
    ),
    "backbone": Example(
        words="a backbone",
        file="backbone",
        help="a few 3D convolutions",
        about="The example is a network of a few 3D convolutions.",
        line="backbone: {name}",
    ),
    "objective": Example(
        words="an objective",
        file="objective",
        help="regression with Huber's loss",
        about="The example is regression of one score with Huber's loss.",
        line="objective: {{use: {name}, delta: 1.0}}",
    ),
    "attribution": Example(
        words="an attribution method",
        file="method",
        help="gradient times the deviation from the clip's mean",
        about="The example multiplies the gradient by each element's deviation from the mean of its clip.",
        line="explain: {{methods: {{{name}: {name}}}}}",
    ),
    "action_units": Example(
        words="a source of Action Units",
        file="source",
        help="AU25 from the distance between the lips",
        about="The example measures how far the lips are parted (AU25) from the landmarks.",
        line="action_units: {{{name}: {name}}}",
    ),
    "analyzer": Example(
        words="an analyzer",
        file="analyzer",
        help="share of relevance in one region",
        about="The example says how much of the relevance lies in one region, with an interval over participants.",
        line="analyzers: {{{name}: {name}}}",
    ),
}
