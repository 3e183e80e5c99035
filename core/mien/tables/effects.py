"""The tables of the analyzer `statistics`, which a validation reads again; not among the run's own."""

from __future__ import annotations

from mien.tables.columns import METHOD, Column, Table

FAMILIES = ("confirmatory", "regions", "action_units", "descriptive")

_EFFECT_KEYS = (
    METHOD,
    Column(
        "measure",
        "string",
        "What is held against severity, one value a participant. share: log-ratio of the region's share of absolute "
        "relevance, ln(share / (1 - share)). signed_share: signed relevance over the total's. signed: raw signed "
        "relevance of a window. au_correlation: mean Fisher z of the correlation over time of the region's signed "
        "relevance with the Action Unit.",
        allowed=("share", "signed_share", "signed", "au_correlation"),
    ),
    Column("region", "string", "The region."),
    Column("au", "string", "The Action Unit, e.g. AU12; empty for none."),
    Column("source", "string", "The user's name of the source of Action Units; empty for none."),
    Column("adjusted", "boolean", "Whether the effect is adjusted for the participant's mean prediction."),
)

STATISTICS = Table(
    "statistics",
    "The effect of true severity on one measure of relevance, over held-out participants that the network never saw.",
    (
        *_EFFECT_KEYS,
        Column(
            "family",
            "string",
            "The family of its q-value. confirmatory: named in the configuration; regions and action_units: all "
            "others; descriptive: not tested. Adjusted effects are a family of their own under each name.",
            allowed=FAMILIES,
        ),
        Column(
            "effect",
            "number",
            "Spearman's correlation with the participant's mean label (within folds where there are), -1 to 1; partial "
            "where adjusted; absent where it is undefined.",
            nullable=True,
        ),
        Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided, by permutation; absent where it is not tested.", nullable=True),
        Column("q", "number", "Benjamini-Hochberg q-value within its family.", nullable=True),
        Column("n", "integer", "Participants that the effect is of."),
        Column("undefined", "integer", "Participants with a label and explained whose measure is undefined."),
        Column(
            "effect_beside",
            "number",
            "The same effect on those windows alone that the controls explained; absent without controls.",
            nullable=True,
        ),
        Column("controls_untrained", "integer", "Untrained networks of which the same effect is defined."),
        Column("control_untrained_max", "number", "Largest |effect| among them; absent without any.", nullable=True),
        Column("controls_permuted", "integer", "Networks trained with permuted labels whose effect is defined."),
        Column("control_permuted_max", "number", "Largest |effect| among them; absent without any.", nullable=True),
        Column(
            "exceeds",
            "boolean",
            "Whether |effect| and |effect_beside|, of one sign, are larger than the |effect| of every control; absent "
            "without controls of both kinds.",
            nullable=True,
        ),
    ),
)
"""Made by the analyzer `statistics`; not one of the run's own tables."""

HYPOTHESES = Table(
    "hypotheses",
    "An effect of `statistics` that is worth testing on other data.",
    (
        Column("id", "string", "H1, H2, ..., by q."),
        Column("statement", "string", "The hypothesis in a sentence."),
        Column("evidence", "string", "The numbers behind it."),
        Column("n", "integer", "Participants."),
        Column("caveat", "string", "What it does not say."),
        *_EFFECT_KEYS,
        Column("effect", "number", "As in the table statistics."),
        Column("low", "number", "Lower end of the 95 % interval.", nullable=True),
        Column("high", "number", "Upper end of the 95 % interval.", nullable=True),
        Column("p", "number", "Two-sided, by permutation."),
        Column("q", "number", "Within its family."),
    ),
)
"""Made by the analyzer `statistics`; not one of the run's own tables."""
