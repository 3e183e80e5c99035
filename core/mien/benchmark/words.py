"""The sentences of the benchmark's page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from mien.benchmark.tasks import TASKS
from mien.report.words import count, duration, listed
from mien.run.record import NOTICE

if TYPE_CHECKING:
    from mien.benchmark.board import Board

_TITLES = {task.name: task.title for task in TASKS}
_THOROUGH = ("deletion_blur", "insertion_blur", "randomisation", "stability_noise")

_READING_PLANTED = (
    "A figure is a mean over participants; seeds are averaged within each participant first. Its interval is "
    "bootstrapped over participants, 95 %.",
    "In the drawings the dot is the mean and the line its interval. The grey band is the range of the untrained "
    "networks, the tick in it their mean, the dotted line what chance gives. A figure inside the band is not about "
    "what was learnt.",
    "“Density” is the share of the face's absolute relevance that a region gets, over its share of the face's area: 1 "
    "is an even spread.",
)
_READING_OWN = (
    "A figure is a mean over participants. Its interval is bootstrapped over participants, 95 %.",
    "In the drawings the dot is the mean and the line its interval, the dotted line what chance gives.",
)
_READING = (
    "Deletion and insertion: 1 is the best that can be, 0 as good as a random order, below 0 worse.",
    "Randomisation measures how alike the map stays when what was learnt is destroyed: less is better. It is not 0 for "
    "a good method, since maps of all networks fall where the clip has contrast.",
    "Completeness is not applicable (–) to methods that promise no sum. It does not count for the rank, nor does cost.",
    "Ranks of methods whose intervals overlap may be in another order with other people.",
)

_ALWAYS = (
    "A measure of faithfulness says how well a map tells what this network used. It says nothing of what causes a "
    "person's state.",
)
_PLANTED = (
    "The videos are one portrait, animated: “participants” are warps of one person's face. The benchmark tests "
    "explanations; it shows nothing about recognising people whom a network has not seen, nor about other faces.",
    "The networks are small, and trained for the benchmark. How methods stand may differ for large networks: run the "
    "tests that need no planted truth on your own.",
    "A planted Action Unit shows where the renderer moves and shades the face. A network may rightly use less of that.",
)
_OWN = (
    "There is no planted truth here: these tests say whether a map follows the network, not whether the network looks "
    "at the right place.",
    "mien cannot know whether the network was trained on these people.",
)


def reading(*, planted: bool) -> tuple[str, ...]:
    """Return how to read the figures."""
    return (*(_READING_PLANTED if planted else _READING_OWN), *_READING)


def limits(*, planted: bool) -> tuple[str, ...]:
    """Return what the figures do not show."""
    return (*(_PLANTED if planted else _OWN), *_ALWAYS)


def task_title(task: str) -> str:
    """Return a task as it is written for readers."""
    return _TITLES.get(task, task) if task else "own videos"


def title(board: Board) -> str:
    """Return the page's title."""
    given = board.result.about.get("title")
    return str(given or ("Are the explanations true?" if board.result.planted else "Are these explanations faithful?"))


def lead(board: Board) -> str:
    """Return the sentences under the title."""
    what = (
        "Attribution methods for networks that watch faces, measured against planted truth and tests of faithfulness."
        if board.result.planted
        else "Attribution methods on a network and videos of the user's own, by the tests that need no planted truth."
    )
    return f"{what} {NOTICE}"


def done(board: Board) -> list[str]:
    """Return what was done, in sentences."""
    result, about = board.result, board.result.about
    scores = result.scores
    methods = f"{count(len(board.methods), 'method')} (variants counted)"
    people = count(int(scores["participant"].nunique()), "participant")
    if not result.planted:
        said = [f"{methods} explained a trained network on the videos of {people}."]
    else:
        tasks = [task_title(str(task)) for task in dict.fromkeys(scores["task"])]
        seeds = sorted(result.models["seed"].unique())
        said = [
            "A portrait was animated by Action Units whose intensities are known, and small networks were trained to "
            f"read a label that was planted in them: {'; '.join(tasks)}.",
            f"Each task was learnt from {count(len(seeds), 'seed')} ({listed([str(s) for s in seeds])}); every "
            f"network was explained on {people} that it had not seen, with {methods}.",
            *_faithfulness(scores),
            _controls(scores),
        ]
    if about.get("quick"):
        fewer = "seeds and clips" if result.planted else "clips"
        said.append(f"This is the quick run: fewer {fewer} than the full one.")
    if about.get("pilot_seeds"):
        pilots = listed([str(seed) for seed in about["pilot_seeds"]])
        said.append(f"The recipe was fixed on other seeds ({pilots}), which are not shown.")
    return said


def _controls(scores: pd.DataFrame) -> str:
    untrained = scores[scores["network"] == "untrained"]
    if untrained.empty:
        return "There are no untrained networks beside it."
    many = untrained.groupby("task")["index"].nunique().max()
    people = count(int(untrained["participant"].nunique()), "participant")
    return (
        f"Beside it stand {count(int(many), 'untrained network')}, explained on the same clips of {people}: mean and "
        "range."
    )


def _faithfulness(scores: pd.DataFrame) -> list[str]:
    """Return of which networks faithfulness was tested: not of all, since that takes many explanations each."""
    trained = scores[scores["network"] == "trained"]
    tested = trained[trained["measure"].isin(_THOROUGH)]
    if tested.empty:
        return []
    tasks = "; ".join(task_title(str(task)) for task in dict.fromkeys(tested["task"]))
    known = sorted(tested["seed"].unique())
    seeds = f"seed{'s' if len(known) > 1 else ''} {listed([str(seed) for seed in known])}"
    return [f"Deletion, insertion, parameter randomisation and stability are of the networks of {seeds} for: {tasks}."]


def gates_said(gates: pd.DataFrame) -> str:
    """Return how many gates were passed, in a sentence."""
    if gates.empty:
        return "No gate applies."
    failed, open_ = int((gates["passed"] == False).sum()), int(gates["passed"].isna().sum())  # noqa: E712
    said = f"{int(gates['passed'].sum())} of {len(gates)} passed"
    said += f", {failed} failed" if failed else ""
    said += f", {open_} without a verdict" if open_ else ""
    return said + ". What does not reach its gate is shown as it is."


def promise(known: Mapping[str, Any]) -> str:
    """Return what a method promises: ``completeness exact, signed``."""
    parts = [f"completeness {known['completeness']}"] if known.get("completeness") else []
    signed = known.get("signed")
    if signed is not None and signed is not pd.NA:
        parts.append("signed" if signed else "unsigned")
    return ", ".join(parts)


def provenance(about: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return when, where and with what it was made."""
    wanted = {
        "date": "Date",
        "machine": "Machine",
        "workers": "Processes",
        "command": "Command",
        "python": "Python",
        "seed": "Seed of the bootstrap",
        "checkpoint": "Checkpoint",
        "data": "Videos",
    }
    found = [(name, str(about[key])) for key, name in wanted.items() if about.get(key) not in (None, "")]
    if about.get("seconds"):
        found.append(("Time of this run", duration(float(about["seconds"]))))
    return found
