"""The one table from MediaPipe's blendshapes to FACS Action Units, and where each line comes from.

MediaPipe's 52 blendshapes carry the names and meanings of Apple ARKit's (``ARFaceAnchor.BlendShapeLocation``): each is
the strength, 0 to 1, of one movement.  A line gives the Action Unit whose movement the FACS manual (Ekman, Friesen and
Hager 2002) describes as Apple describes the blendshape.  Ozel's "ARKit to FACS cheat sheet" (melindaozel.com) is the
published table to compare with; where a line departs from it, it says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

NAMES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight"),
    *("cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft"),
    *("eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft"),
    *("eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft"),
    *("jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft"),
    *("mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft"),
    *("mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower"),
    *("mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight"),
    *("mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft", "noseSneerRight"),
)
"""The 52, in the order in which MediaPipe gives them."""


@dataclass(frozen=True)
class Line:
    """One Action Unit.

    Attributes
    ----------
    shapes : tuple of str
        Blendshapes; a name that comes with ``Left`` and ``Right`` stands for the mean of both.  The largest counts.
    facs : str
        The Action Unit's name in FACS.
    apple : str
        What Apple says the blendshape is the movement of.
    note : str
        Where the line departs from the plain correspondence.
    """

    shapes: tuple[str, ...]
    facs: str
    apple: str
    note: str = ""


MAP: Mapping[str, Line] = {
    "AU01": Line(("browInnerUp",), "inner brow raiser", "the inner portion of both eyebrows, upward"),
    "AU02": Line(("browOuterUp",), "outer brow raiser", "the outer portion of the eyebrow, upward"),
    "AU04": Line(("browDown",), "brow lowerer", "the outer portion of the eyebrow, downward"),
    "AU05": Line(("eyeWide",), "upper lid raiser", "the eyelids, widening"),
    "AU06": Line(
        ("eyeSquint",),
        "cheek raiser",
        "the face around the eye, contracting",
        "cheekSquint would be AU06 and eyeSquint AU07, but MediaPipe's cheekSquint does not move; its eyeSquint "
        "follows the muscle of both (orbicularis oculi), so AU07 is not told apart and left out.",
    ),
    "AU10": Line(("mouthUpperUp",), "upper lip raiser", "the upper lip, upward"),
    "AU12": Line(("mouthSmile",), "lip corner puller", "the corner of the mouth, upward"),
    "AU14": Line(("mouthDimple",), "dimpler", "the corner of the mouth, backward"),
    "AU15": Line(
        ("mouthFrown",),
        "lip corner depressor",
        "the corner of the mouth, downward",
        "MediaPipe's values stay below .02: the order is right, the intensity far too small.",
    ),
    "AU17": Line(("mouthShrugLower",), "chin raiser", "the lower lip, outward (the chin's muscle pushes it)"),
    "AU18": Line(("mouthPucker",), "lip pucker", "both closed lips, contracting and compressing"),
    "AU20": Line(("mouthStretch",), "lip stretcher", "the corner of the mouth, outward"),
    "AU22": Line(("mouthFunnel",), "lip funneler", "both lips, contracting into an open shape"),
    "AU24": Line(("mouthPress",), "lip pressor", "the lower lip, compressed upward"),
    "AU25": Line(
        ("mouthLowerDown", "jawOpen"),
        "lips part",
        "the lower lip, downward; the jaw, opening",
        "No blendshape is AU25: FACS scores it whenever the lips part, by the lower lip (AU16) or the jaw (AU26).",
    ),
    "AU26": Line(("jawOpen",), "jaw drop", "the jaw, opening"),
    "AU28": Line(
        ("mouthRollLower", "mouthRollUpper"), "lip suck", "the lower or the upper lip, toward the inside of the mouth"
    ),
    "AU45": Line(("eyeBlink",), "blink", "the eyelids, closing over the eye"),
}
"""Action Unit to its line.

AU09 is absent: MediaPipe's noseSneer, like its cheekSquint, never passed 0.00003 in two real clips and in animated
faces with AU09 and AU06 at full strength.
"""


def columns(shape: str) -> tuple[int, ...]:
    """Return where a blendshape, or both sides of it, is among the 52."""
    sides = (shape,) if shape in NAMES else (f"{shape}Left", f"{shape}Right")
    return tuple(NAMES.index(side) for side in sides)
