"""What the parts of a face are called; imports nothing heavy."""

from __future__ import annotations

REGIONS = ("right_eye", "left_eye", "right_eyebrow", "left_eyebrow", "nose", "mouth")
"""The regions that every landmark scheme defines; right and left are the person's own."""

FACE = "face"
"""The region inside the outline of the face, with all others."""

ELSEWHERE, BACKGROUND, TOTAL = "elsewhere_face", "background", "total"
"""The face outside all regions, what is outside the face, and everything."""

POOLED_REGIONS = (*REGIONS, ELSEWHERE, BACKGROUND)
"""Those that relevance is divided into."""
