"""What this distribution brings to mien."""

from __future__ import annotations

from mien import Registrar, hookimpl

MIEN_API = "1"

_PACKAGE = "mien_landmark_emotion"


@hookimpl
def mien_register(registry: Registrar) -> None:
    """Register the components; nothing is imported before its first use."""
    registry.dataset(
        "animated_expressions",
        f"{_PACKAGE}.expressions:AnimatedExpressions",
        requires=["skimage"],
        extra="demo",
        help="one real face animated by the Action Units of six basic emotions (planted truth)",
    )
    registry.cropper(
        "landmark_points",
        f"{_PACKAGE}.cropper:LandmarkPoints",
        help="no pixels: the landmarks themselves, aligned, relative to the mean face",
    )
    registry.backbone(
        "landmark_classifiers",
        f"{_PACKAGE}.classifiers:LandmarkClassifiers",
        help="a small binary classifier for each class, over landmark sequences",
    )
    registry.objective("one_vs_rest", f"{_PACKAGE}.objective:OneVsRest", help="each class against all others")
    registry.attribution(
        "neutral_face_gradients",
        f"{_PACKAGE}.neutral:NeutralFaceGradients",
        help="Integrated Gradients from the neutral face that the clip begins with",
    )
    registry.analyzer(
        "landmark_relevance",
        f"{_PACKAGE}.analyzer:LandmarkRelevance",
        help="which landmarks each class is told by, on a drawn face",
    )
