"""The tables that every run, or a validation, publishes."""

from __future__ import annotations

from mien.tables.columns import (
    FOLD,
    FRAME,
    LABEL,
    LEVELS,
    METHOD,
    PARTICIPANT,
    RECORDING,
    REGION,
    SESSION,
    SPLIT,
    SUBSET,
    SUMS,
    TIME,
    WINDOW,
    Column,
    Table,
)

_RECORDINGS = Table(
    "recordings",
    "A recording, used or set aside.",
    (
        RECORDING,
        PARTICIPANT,
        SESSION,
        Column("video", "string", "The video file."),
        SPLIT,
        Column(
            "fold",
            "integer",
            "Number of the fold that holds it out, from 0; absent for what no fold holds out.",
            nullable=True,
        ),
        Column(
            "unseen",
            "boolean",
            "Whether no recording of this participant trained or validated the network that judges it, or one that it "
            "began with.",
        ),
        LABEL,
        Column("status", "string", "Whether the recording took part.", allowed=("used", "excluded")),
        Column("stage", "string", "The step that set it aside; absent when it was used.", nullable=True),
        Column("reason", "string", "Why it was set aside; absent when it was used.", nullable=True),
        Column("frames", "integer", "Frames decoded.", "frames", nullable=True),
        Column("valid_frames", "integer", "Frames with a face.", "frames", nullable=True),
        Column("duration_s", "number", "Time from the first to the last frame.", "s", nullable=True),
        Column("rate_hz", "number", "Mean frame rate.", "1/s", nullable=True),
        Column("width_px", "integer", "Width as displayed.", "pixels", nullable=True),
        Column("height_px", "integer", "Height as displayed.", "pixels", nullable=True),
        Column("max_faces", "integer", "Largest number of faces seen in one frame.", nullable=True),
        Column("frames_with_others", "integer", "Frames with more than one face.", "frames", nullable=True),
        Column("windows", "integer", "Windows cut from it.", nullable=True),
        Column("consent", "boolean", "Whether the face may be shown in a report with faces: consented."),
    ),
)

_PREDICTIONS = Table(
    "predictions",
    "A window, and what the trained network says of it; under folds, the network that did not see the participant.",
    (
        RECORDING,
        PARTICIPANT,
        SESSION,
        SPLIT,
        FOLD,
        WINDOW,
        Column("start_s", "number", "Time of the window's first frame.", "s"),
        Column("end_s", "number", "Time of the window's last frame.", "s"),
        LABEL,
        Column("prediction", "number", "The prediction, in the label's unit.", "label"),
        Column("valid_fraction", "number", "Fraction of the window's frames with a face, 0 to 1."),
    ),
)

_RELEVANCE = Table(
    "relevance",
    "A region in one frame of a window, explained by one method.",
    (
        METHOD,
        RECORDING,
        PARTICIPANT,
        SPLIT,
        WINDOW,
        FRAME,
        TIME,
        Column("valid", "boolean", "False where the frame had no face and was filled from its neighbour."),
        REGION,
        *SUMS,
    ),
)

_CELLS = Table(
    "relevance_cells",
    "A cell (pixels with the same set of regions) in one frame; cells are disjoint and add up to the total.",
    (
        METHOD,
        RECORDING,
        WINDOW,
        FRAME,
        Column("cell", "integer", "The set of regions as bits; 0 is the background."),
        *SUMS,
    ),
)

_CONTROL = Table(
    "control_relevance",
    "A region in one window, explained in one network of the controls; summed over the frames with a face.",
    (
        METHOD,
        Column(
            "kind",
            "string",
            "What the network is: untrained; or permuted: trained with labels permuted among participants.",
            allowed=("untrained", "permuted"),
        ),
        Column("network", "integer", "Number of the network within its kind, from 0."),
        RECORDING,
        PARTICIPANT,
        SPLIT,
        WINDOW,
        REGION,
        *SUMS,
    ),
)

_EXPLANATIONS = Table(
    "explanations",
    "A window explained by one method.",
    (
        METHOD,
        RECORDING,
        WINDOW,
        Column("output", "number", "The explained quantity f(x), e.g. the standardised score.", "output"),
        Column(
            "baseline_output",
            "number",
            "f(baseline); absent for methods without one.",
            "output",
            nullable=True,
        ),
        Column(
            "completeness",
            "string",
            "What the method promises of the sum of relevance, f(x) - f(baseline): exact, approximate (up to a "
            "measured gap), or nothing (not applicable).",
            allowed=("exact", "approximate", "not applicable"),
        ),
        Column("absolute", "number", "Sum of absolute relevance; where it is 0, shares are undefined.", "output"),
        Column(
            "gap",
            "number",
            "Sum of relevance, with what biases took where the method tells it, minus (f(x) - f(baseline)).",
            "output",
            nullable=True,
        ),
        Column(
            "relative_gap",
            "number",
            "Absolute gap over |f(x) - f(baseline)|, or over a tenth of the standard deviation of f over the method's "
            "held-out clips (all its clips, where none is held out) where that is larger.",
            nullable=True,
        ),
        Column("flagged", "boolean", "Whether the relative gap exceeds the method's tolerance."),
        Column("seconds", "number", "Time that the explanation took.", "s"),
        Column("steps", "number", "Evaluations of the network, for methods that add them.", nullable=True),
    ),
)

_DIAGNOSTICS = Table(
    "diagnostics",
    "What a method measured beside the relevance of one window.",
    (
        METHOD,
        RECORDING,
        WINDOW,
        Column(
            "name",
            "string",
            "What was measured, in the method's words: steps, standard_error, bias (what all biases took), bias of "
            "LAYER, ...",
        ),
        Column("value", "number", "Its value; absent where it is undefined.", nullable=True),
    ),
)

_ACTION_UNITS = Table(
    "action_units",
    "A facial Action Unit in one frame.",
    (
        Column("source", "string", "The user's name of the source, a key of action_units."),
        RECORDING,
        PARTICIPANT,
        FRAME,
        TIME,
        Column("au", "string", "The Action Unit, e.g. AU12."),
        Column("intensity", "number", "Intensity, 0 to 5; absent without a face.", nullable=True),
        Column("presence", "number", "0 or 1; absent where the source does not tell.", nullable=True),
    ),
)

_TRAINING = Table(
    "training",
    "An epoch of the training of one network.",
    (
        Column("network", "string", "trained; or permuted and a number: a control trained with permuted labels."),
        FOLD,
        Column("epoch", "integer", "Number of the epoch, from 0."),
        Column("step", "integer", "Optimiser steps made by its end."),
        Column("train_loss", "number", "Mean loss over the training clips."),
        Column("validation_loss", "number", "Mean loss over the validation clips.", nullable=True),
        Column("learning_rate", "number", "Learning rate at its end.", nullable=True),
    ),
)

_METRICS = Table(
    "metrics",
    "A metric of the predictions.",
    (
        SPLIT,
        SUBSET,
        Column("level", "string", "What is averaged first.", allowed=LEVELS),
        Column("metric", "string", "Name of the metric, e.g. pearson."),
        Column("value", "number", "Its value; absent where it is undefined.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("n", "integer", "Number of windows, recordings, sessions or participants."),
    ),
)

_EVALUATION = Table(
    "evaluation",
    "A figure of held-out predictions, tested over participants.",
    (
        SPLIT,
        SUBSET,
        Column("level", "string", "The unit whose prediction is held against its label.", allowed=LEVELS[1:]),
        Column(
            "test",
            "string",
            "permuted_labels: labels permuted among participants (within folds); sign_flip: signs of the differences "
            "of participants flipped; bootstrap: an interval alone.",
            allowed=("permuted_labels", "sign_flip", "bootstrap"),
        ),
        Column(
            "statistic",
            "string",
            "pearson, spearman; mae, rmse and those of the training mean; rmse_skill (1 - RMSE / RMSE of the training "
            "mean); absolute_error_reduction, squared_error_reduction (error of the training mean less that of the "
            "network).",
        ),
        Column("value", "number", "Its value; absent where it is undefined.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided p-value; absent without a test.", nullable=True),
        Column("n", "integer", "Participants."),
        Column("note", "string", "How it is meant, or why it is undefined; may be empty."),
    ),
)

_CONFUSION = Table(
    "confusion",
    "A pair of severity bands.",
    (
        SPLIT,
        Column("level", "string", "Whose prediction is put into a band.", allowed=LEVELS[1:]),
        Column("true_band", "string", "The band of the label."),
        Column("predicted_band", "string", "The band of the prediction."),
        Column("count", "integer", "Units of the level in both; 0 for a band without members."),
    ),
)

_REFERENCE = (
    Column("source_low", "number", "Lower end of its 95 % interval there.", nullable=True),
    Column("source_high", "number", "Upper end of its 95 % interval there.", nullable=True),
    Column("source_n", "integer", "Units or participants there.", nullable=True),
)

_VALIDATION = Table(
    "validation",
    "A figure of another labelled data set (`mien validate`), beside the same of the network's own run.",
    (
        Column(
            "topic",
            "string",
            "What it is about: held-out metrics; calibration (labels regressed on predictions); labels and face size.",
            allowed=("metric", "calibration", "labels", "inter_ocular_distance", "face_height"),
        ),
        Column(
            "quantity",
            "string",
            "A metric; slope or offset; mean or sd over participants; shift (difference of the means in standard "
            "deviations of the source); ks_distance (largest difference of the two distributions, 0 to 1, by their "
            "quantiles).",
        ),
        Column("unit", "string", "label, pixels, frame heights, sd, or empty."),
        Column("source_value", "number", "Its value in the network's own run; absent when unknown.", nullable=True),
        *_REFERENCE,
        Column("value", "number", "Its value here; absent where it is undefined.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("n", "integer", "Units (for metrics and calibration) or participants here."),
        Column("note", "string", "How it is meant, or why it is undefined; may be empty."),
    ),
)

VERDICTS = ("replicated", "not_replicated", "undecided")

_REPLICATION = Table(
    "replication",
    "A hypothesis of the network's own run, measured on another data set (`mien validate`).",
    (
        METHOD,
        Column("measure", "string", "The measure, as in the table statistics."),
        Column("region", "string", "The region; empty for none."),
        Column("au", "string", "The Action Unit; empty for none."),
        Column("source", "string", "The user's name of the source of Action Units; empty for none."),
        Column("adjusted", "boolean", "Whether the effect is adjusted for the prediction."),
        Column("source_effect", "number", "The effect in the network's own run."),
        *_REFERENCE,
        Column("effect", "number", "The effect here; absent where it is undefined or not measured.", nullable=True),
        Column("low", "number", "Lower end of the 95 % interval here.", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval here.", nullable=True),
        Column("p", "number", "Two-sided p-value here.", nullable=True),
        Column("n", "integer", "Participants here."),
        Column(
            "verdict",
            "string",
            "replicated: the interval here lies wholly on the source effect's side of 0; not_replicated: it lies "
            "wholly below half of the source's effect, taken on its side; undecided: everything else.",
            allowed=VERDICTS,
        ),
        Column("reason", "string", "Why, in words."),
    ),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        _RECORDINGS,
        _PREDICTIONS,
        _RELEVANCE,
        _CELLS,
        _CONTROL,
        _EXPLANATIONS,
        _DIAGNOSTICS,
        _ACTION_UNITS,
        _TRAINING,
        _METRICS,
        _EVALUATION,
        _CONFUSION,
        _VALIDATION,
        _REPLICATION,
    )
}
