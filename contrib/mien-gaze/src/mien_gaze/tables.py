"""The tables of `gaze_agreement`."""

from __future__ import annotations

from typing import Literal

from mien import Column, Table

METRICS = ("nss", "cc", "sim", "kl", "auc_judd", "auc_shuffled")
"""In the order of all tables."""

TITLES = {
    "nss": "NSS",
    "cc": "CC",
    "sim": "SIM",
    "kl": "KL",
    "auc_judd": "AUC-Judd",
    "auc_shuffled": "shuffled AUC",
}

CHANCE = {"nss": 0.0, "cc": 0.0, "auc_judd": 0.5, "auc_shuffled": 0.5}
"""What a map gives that knows nothing of the fixations; SIM and KL have no such value."""

Against = Literal["all", "each_viewer"]

CENTRE, FACE, TEMPLATE, VIEWERS = "centre", "face", "template", "other_viewers"
BASELINES = (CENTRE, FACE, TEMPLATE, VIEWERS)
"""The maps that relevance is held against."""

BASELINE_TITLES = {
    CENTRE: "centre of the crop",
    FACE: "face, evenly",
    TEMPLATE: "gaze on other faces",
    VIEWERS: "other viewers",
}

FATES = {
    "used": "in a window, on the crop",
    "outside_crop": "in a window, but beside what the crop shows",
    "no_face": "in a window, while no face was found",
    "between_windows": "at a time that no explained window holds",
    "outside_frame": "beside the video's picture",
    "beyond_video": "before the start of the video or after its end",
    "invalid": "with a time, place, duration or viewer that is missing or makes no sense",
    "not_explained": "on a recording of this run that was not explained, or is out of distribution",
    "unknown_recording": "on a recording that is not of this run",
}
"""What becomes of a fixation, by name; each has exactly one fate."""

_MAP = Column(
    "map",
    "string",
    "Whose map: the user's name of an attribution method; or centre (a Gaussian at the crop's centre), face (the "
    "face's area, evenly), template (mean gaze on other participants' faces), other_viewers (gaze of the other viewers "
    "of the same window).",
)
_KIND = Column("kind", "string", "What the map is.", allowed=("method", "baseline"))
_AGAINST = Column(
    "against",
    "string",
    "The fixations: all viewers' at once, or each viewer's by itself, of which the mean is given.",
    allowed=("all", "each_viewer"),
)
_PARTICIPANT = Column("participant", "string", "The person in the video; the unit of statistics.")
_RECORDING = Column("recording", "string", "Id of the recording.")
_WINDOWS = Column("windows", "integer", "Windows with fixations on the crop.")
_METRIC = Column("metric", "string", "The measure of agreement; nats for kl.", allowed=METRICS)
_SCORES = (
    Column("nss", "number", "Mean z-score of the map over fixations; chance is 0.", nullable=True),
    Column("cc", "number", "Pearson's correlation with the fixation density; chance is 0.", nullable=True),
    Column("sim", "number", "Sum of the smaller of map and density, both summing to 1; 1 is equal.", nullable=True),
    Column("kl", "number", "Divergence of the density from the map; 0 is equal, higher is worse.", "nats", True),
    Column("auc_judd", "number", "Fixations told from pixels without any; chance is .5.", nullable=True),
    Column(
        "auc_shuffled",
        "number",
        "Fixations told from those on other recordings; chance is .5. Absent for the template, which is made of them.",
        nullable=True,
    ),
)

WINDOWS = Table(
    "gaze_windows",
    "A map of one window, held against the fixations on it.",
    (
        _MAP,
        _KIND,
        _AGAINST,
        _RECORDING,
        _PARTICIPANT,
        Column("window", "integer", "Number of the window within its recording, from 0."),
        Column("fixations", "integer", "Fixations in the window and on the crop."),
        Column("viewers", "integer", "Viewers that they are of."),
        *_SCORES,
    ),
)

PEOPLE = Table(
    "gaze_participants",
    "A map held against the fixations on one participant's windows; means over windows.",
    (_MAP, _KIND, _AGAINST, _PARTICIPANT, _WINDOWS, *_SCORES),
)

AGREEMENT = Table(
    "gaze_agreement",
    "A map, a measure: mean over participants.",
    (
        _MAP,
        _KIND,
        _AGAINST,
        _METRIC,
        Column("value", "number", "Mean over participants; absent where it is undefined for all.", nullable=True),
        Column("low", "number", "Lower end of the 95 % bootstrap interval; absent below three.", nullable=True),
        Column("high", "number", "Upper end of the interval.", nullable=True),
        Column("participants", "integer", "Participants for whom it is defined."),
        Column("undefined_windows", "integer", "Windows in which it is not defined, left out."),
    ),
)

DIFFERENCES = Table(
    "gaze_differences",
    "A method's agreement minus that of a baseline in the same windows; means over windows, then over participants.",
    (
        Column("method", "string", "The user's name of the attribution method, a key of explain.methods."),
        Column("baseline", "string", "The map that it is compared with.", allowed=BASELINES),
        _AGAINST,
        _METRIC,
        Column("difference", "number", "Method minus baseline; for kl a negative one is better.", nullable=True),
        Column("low", "number", "Lower end of the 95 % bootstrap interval; absent below three.", nullable=True),
        Column("high", "number", "Upper end of the interval.", nullable=True),
        Column("participants", "integer", "Participants for whom it is defined."),
        Column(
            "verdict",
            "string",
            "Whether the method agrees better (above) or worse (below) than the baseline: the interval is on one side "
            "of 0; otherwise unclear.",
            allowed=("above", "below", "unclear"),
        ),
    ),
)

FIXATIONS = Table(
    "gaze_fixations",
    "What became of the fixations: every one has exactly one fate.",
    (
        Column("fate", "string", "Its name.", allowed=tuple(FATES)),
        Column("meaning", "string", "In words."),
        Column("fixations", "integer", "How many."),
    ),
)

RECORDINGS = Table(
    "gaze_recordings",
    "A recording of the run that was explained or looked at, with the fixations on it by fate.",
    (
        _RECORDING,
        _PARTICIPANT,
        Column("viewers", "integer", "Viewers with a fixation that was used."),
        *(
            Column(name, "integer", f"Fixations {meaning}.")
            for name, meaning in FATES.items()
            if name != "unknown_recording"
        ),
    ),
)
