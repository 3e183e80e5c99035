"""The tables of the audit for artefacts."""

from __future__ import annotations

from mien.tables import METHOD, PARTICIPANT, RECORDING, WINDOW, Column, Table

_RATIO = (
    "Absolute relevance a pixel outside the face over that inside; 1 is what an even spread gives, and it is infinite "
    "where the face holds none"
)
_PLACE_RATIO = (
    "Relevance of the strongest place outside the face over that of the strongest inside; infinite where the face "
    "holds none"
)
_SHARE = Column("share", "number", "Share of absolute relevance outside the face, 0 to 1.", nullable=True)
_AREA = Column("area_share", "number", "Share of the crop's pixels outside the face, 0 to 1.", nullable=True)
_CLIPS = Column("clips", "integer", "Clips that were explained and hold a frame with a face.")


def _number(name: str, meaning: str, unit: str = "") -> Column:
    return Column(name, "number", f"{meaning}; absent where it is undefined.", unit, nullable=True)


def _interval(name: str, of: str) -> tuple[Column, Column]:
    return (
        _number(f"{name}_low", f"Lower end of the 95 % interval of {of} (bootstrap over participants)"),
        _number(f"{name}_high", f"Upper end of the 95 % interval of {of}"),
    )


_PLACES = (
    Column(
        "place",
        "string",
        "Where the strongest place outside the face is, from its position alone; left and right are those of the "
        "picture. Empty where nothing outside is seen.",
    ),
    _number("place_x", "Its centre, from the left, as a fraction of the crop's width"),
    _number("place_y", "Its centre, from the top, as a fraction of the crop's height"),
    _number("place_density", "Its relevance a pixel over the crop's mean"),
    _number("face_density", "The same of the strongest place inside the face"),
    _number("place_ratio", _PLACE_RATIO),
)

_CONSTANCY = (
    _number(
        "image_constancy",
        "Share of the relevance outside the face on the hottest twentieth of the source image's positions there, over "
        "all frames, 0 to 1",
    ),
    _number("crop_constancy", "The same of the crop's positions, which move with the face"),
    Column(
        "stays_with",
        "string",
        "What the relevance outside the face stays with: where it is more concentrated by a tenth; undecided where the "
        "head hardly moves; empty where nothing outside is seen.",
        allowed=("image", "face", "undecided", ""),
    ),
)

_UNTRAINED = _number("untrained_ratio_highest", "Highest ratio of an untrained network")

METHODS = Table(
    "artifact_audit",
    "An attribution method: what it shows outside the face, over participants.",
    (
        METHOD,
        Column("participants", "integer", "Participants explained by the method."),
        _CLIPS,
        _SHARE,
        *_interval("share", "share"),
        _AREA,
        _number("ratio", f"{_RATIO}: of the means over participants"),
        *_interval("ratio", "ratio"),
        _UNTRAINED,
        Column("untrained_networks", "integer", "Untrained networks explained by the method."),
        *_PLACES,
        *_interval("place_ratio", "place_ratio"),
        *_CONSTANCY,
        Column("background_alarm", "boolean", "Whether a pixel outside the face holds more relevance than one inside."),
        Column("place_alarm", "boolean", "Whether the strongest place is outside the face."),
        Column("alarm", "boolean", "Whether either is so."),
        Column("flagged", "integer", "Participants who are flagged by themselves."),
    ),
)

PEOPLE = Table(
    "artifact_audit_participants",
    "A participant, explained by one method; summed over all frames with a face.",
    (
        METHOD,
        PARTICIPANT,
        _CLIPS,
        _SHARE,
        _AREA,
        _number("ratio", _RATIO),
        _UNTRAINED,
        *_PLACES,
        *_CONSTANCY,
        Column("flagged", "boolean", "Whether the rule of the alarm, without an interval, holds for the participant."),
    ),
)


def _compared(name: str, what: str, unit: str) -> tuple[Column, ...]:
    """Return the columns of a figure; there is no interval where either side has fewer than three participants."""
    return (
        _number(name, f"Mean {what} of its clips", unit),
        _number(f"{name}_difference", f"The same less the mean of all other clips' {what}", unit),
        *_interval(f"{name}_difference", f"{name}_difference"),
    )


CLUSTERS = Table(
    "artifact_audit_clusters",
    "A cluster of clips with alike relevance maps, by one method.",
    (
        METHOD,
        Column("cluster", "integer", "Its number, from 0, the largest first."),
        _CLIPS,
        Column("participants", "integer", "Participants with a clip in it."),
        _SHARE,
        *_PLACES,
        *_compared("label", "label", "label"),
        *_compared("prediction", "prediction", "label"),
        *_compared("error", "absolute error", "label"),
    ),
)

CLIPS = Table(
    "artifact_audit_clips",
    "A clip, and its cluster, by one method.",
    (
        METHOD,
        RECORDING,
        PARTICIPANT,
        WINDOW,
        _SHARE,
        Column("cluster", "integer", "Number of its cluster; absent where clips were not clustered.", nullable=True),
        _number("distance", "Distance of its map from its cluster's mean map; maps have the sum 1"),
    ),
)
