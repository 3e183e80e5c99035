"""The tables of the benchmark: name, type, unit and meaning of each column."""

from __future__ import annotations

from mien.benchmark.measures import MEASURES
from mien.tables.columns import PARTICIPANT, Column, Table, maybe

NETWORKS = ("trained", "untrained", "shuffled")
ALL = "all"
"""In place of a seed: all seeds together."""

_TASK = Column("task", "string", "The planted task, e.g. AU12; empty for a network and videos of the user's own.")
_METHOD = Column("method", "string", "The attribution method, with its settings where it comes with several.")
_MEASURE = Column("measure", "string", "What is measured.", allowed=tuple(MEASURES))
_SEED = Column("seed", "integer", "The seed that the network was trained with.")
_LOW = Column("low", "number", "Lower end of the 95 % interval (bootstrap over participants).", nullable=True)
_HIGH = Column("high", "number", "Upper end of the 95 % interval.", nullable=True)
_UNDEFINED = "Its value; absent where it is undefined."

SCORES = Table(
    "benchmark_scores",
    "A measure of one method in one network, on the clips of one participant.",
    (
        _TASK,
        _SEED,
        Column(
            "network",
            "string",
            "What the network is: trained; untrained: a control; shuffled: trained with exchanged labels.",
            allowed=NETWORKS,
        ),
        Column("index", "integer", "Number of the network among those of its kind, from 0."),
        _METHOD,
        _MEASURE,
        PARTICIPANT,
        Column("value", "number", _UNDEFINED, nullable=True),
        Column(
            "n", "integer", "Clips that it was measured on; of a network of one's own those in which it is defined."
        ),
    ),
)

MODELS = Table(
    "benchmark_models",
    "A trained network and how well it predicts the participants that were held out.",
    (
        _TASK,
        _SEED,
        Column("network", "string", "What the network is.", allowed=NETWORKS),
        Column("r", "number", "Pearson correlation of predictions with labels.", nullable=True),
        Column("r_low", "number", "Lower end of its 95 % interval (bootstrap over participants).", nullable=True),
        Column("r_high", "number", "Upper end of its 95 % interval.", nullable=True),
        Column("mae", "number", "Mean absolute error.", "label", nullable=True),
        Column("n", "integer", "Participants held out."),
    ),
)

SUMMARY = Table(
    "benchmark_summary",
    "A measure of one method on one task: the mean over participants, beside the untrained networks.",
    (
        _TASK,
        Column("seed", "string", f"The seed of the network; or {ALL}: seeds averaged within each participant first."),
        _METHOD,
        _MEASURE,
        Column("mean", "number", "Mean over participants; absent where it is undefined.", nullable=True),
        _LOW,
        _HIGH,
        Column("control_mean", "number", "Mean over the untrained networks.", nullable=True),
        Column("control_low", "number", "The lowest untrained network's mean over participants.", nullable=True),
        Column("control_high", "number", "The highest untrained network's.", nullable=True),
        Column("controls", "integer", "Untrained networks."),
        Column("n", "integer", "Participants in whom it is defined."),
        Column("undefined", "integer", "Participants in whom it is not, e.g. for want of any relevance."),
    ),
)

GATES = Table(
    "benchmark_gates",
    "What is demanded of networks and explanations, and what was found.",
    (
        Column("gate", "string", "The demand, in words."),
        Column("task", "string", "The planted task; empty where it concerns several."),
        Column("value", "number", _UNDEFINED, nullable=True),
        _LOW,
        _HIGH,
        Column("relation", "string", "How the value has to lie to the bound.", allowed=(">", ">=", "<", "<=")),
        Column("bound", "number", "The bound; absent where none was set.", nullable=True),
        Column("passed", "boolean", "Whether it holds; absent where nothing was measured.", nullable=True),
        Column("note", "string", "How it was reckoned, and what stands behind it."),
    ),
)


def _of_measure(name: str) -> tuple[Column, ...]:
    measure = MEASURES[name]
    where = f"on {' and '.join(measure.tasks)}" if measure.tasks else "over the tasks of Action Units"
    mean = Column(name, "number", f"{measure.what} Mean {where}.", measure.unit)
    ends = [Column(f"{name}_{end}", "number", f"{word} end of its 95 % interval.", measure.unit)
            for end, word in (("low", "Lower"), ("high", "Upper"))]  # fmt: skip
    control = Column(f"{name}_control", "number", "The same of the untrained networks, mean.", measure.unit)
    return tuple(maybe(column) for column in (mean, *ends, control))


LEADERBOARD = Table(
    "benchmark_leaderboard",
    "An attribution method, the best first.",
    (
        Column("place", "integer", "Place by mean rank; equal mean ranks share a place."),
        _METHOD,
        Column("use", "string", "The id under which the method is registered."),
        Column("distribution", "string", "The package that brings it."),
        Column("mean_rank", "number", "Mean of the ranks by group of measures; 1 is the best.", nullable=True),
        Column("mean_rank_low", "number", "Lower end of its 95 % interval over participants.", nullable=True),
        Column("mean_rank_high", "number", "Upper end of its 95 % interval.", nullable=True),
        Column("planted_rank", "number", "Mean rank by the measures of planted truth.", nullable=True),
        Column("faithfulness_rank", "number", "Mean rank by the measures of faithfulness.", nullable=True),
        Column("completeness", "string", "What the method promises.", allowed=("exact", "approximate", "none", "")),
        Column("signed", "boolean", "Whether it tells for from against.", nullable=True),
        *(column for name in MEASURES for column in _of_measure(name)),
    ),
)

BENCHMARK_TABLES: dict[str, Table] = {table.name: table for table in (SCORES, MODELS, SUMMARY, LEADERBOARD, GATES)}
