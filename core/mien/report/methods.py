"""The methods paragraph of a paper, from what a run recorded of itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from mien.report.privacy import names_a_file
from mien.report.words import count, listed, ordinal

Document = Mapping[str, Any]

_SCHEDULES = {
    "one_cycle": ("a one-cycle learning rate", "Smith, Topin: Super-Convergence, arXiv 1708.07120, 2018"),
    "cosine": ("a cosine learning rate", "Loshchilov, Hutter: SGDR, ICLR 2017"),
    "cosine_restarts": (
        "a cosine learning rate with warm restarts",
        "Loshchilov, Hutter: SGDR, ICLR 2017",
    ),
    "constant": ("a constant learning rate", ""),
}
_OPTIMIZERS = {
    "adamw": ("AdamW", "Loshchilov, Hutter: Decoupled Weight Decay Regularization, ICLR 2019"),
    "sgd": ("stochastic gradient descent", ""),
}
_ULMFIT = "Howard, Ruder: Universal Language Model Fine-tuning for Text Classification, ACL 2018"
_BOOTSTRAP = "Efron, Tibshirani: An Introduction to the Bootstrap, Chapman & Hall 1993"
_SHOWN = 6  # fields of a component that a sentence can carry
_KEPT = ("mien", "torch", "torchvision", "lightning", "captum", "zennit", "mediapipe", "face-alignment")


@dataclass
class MethodsText:
    """A paragraph in the past tense, and the papers that it cites by number.

    Attributes
    ----------
    sentences : list of str
    references : list of str
        In the order of their numbers, from 1.
    """

    sentences: list[str] = field(default_factory=list)
    references: list[str] = field(default_factory=list)

    def cite(self, papers: str) -> str:
        """Return `` [1, 2]`` for papers that a semicolon separates, numbered at their first citation; else nothing."""
        cited = [paper.strip() for paper in papers.split(";") if paper.strip()]
        self.references += [paper for paper in cited if paper not in self.references]
        numbers = [str(self.references.index(paper) + 1) for paper in cited]
        return f" [{', '.join(numbers)}]" if numbers else ""

    def __str__(self) -> str:
        papers = [f"[{number}] {paper}" for number, paper in enumerate(self.references, 1)]
        return "\n".join([" ".join(self.sentences), *(["", *papers] if papers else [])]) + "\n"


def methods_text(record: Document, summary: Document | None = None) -> MethodsText:
    """Return the methods of a run.

    Parameters
    ----------
    record : mapping
        The content of ``run.json``.
    summary : mapping, optional
        The content of ``summary.json``: how many people and videos took part.
    """
    text = MethodsText()
    for sentences in (_data, _faces, _network, _training, _evaluation, _explanation, _analysis, _software):
        text.sentences += sentences(text, record, summary or {})
    return text


def _part(text: MethodsText, record: Document, place: str) -> str:
    """Return a component as a sentence names it: id, its simple fields, citation."""
    plugin = record["plugins"].get(place, {})
    fields = plugin.get("fields", {})
    simple = [
        f"{name.replace('_', ' ')} {value:g}" if isinstance(value, float) else f"{name.replace('_', ' ')} {value}"
        for name, value in fields.items()
        if isinstance(value, str | int | float)
        and not isinstance(value, bool)
        and not names_a_file(value)
        and value != ""
    ]
    stated = f" ({', '.join(simple[:_SHOWN])})" if simple else ""
    paper = record.get("citations", {}).get(place, "")
    return f"{plugin.get('use', place)}{stated}{text.cite(paper)}"


def _data(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    if "dataset" in record["config"]:
        yield f"Videos came from the data set {_part(text, record, 'dataset')}."
    if summary:
        aside = summary.get("set_aside", 0)
        yield (
            f"{count(summary['recordings'], 'recording')} of {count(summary['participants'], 'participant')} were used"
            f"{f'; {aside} were set aside, with the reasons reported' if aside else ''}."
        )
    split = record["config"].get("split")
    if split:
        yield _split(split, summary)


def _split(split: Document, summary: Document) -> str:
    held = f" ({count(summary['held_out'], 'participant')} held out)" if summary else ""
    if split.get("scheme") == "k_fold":
        return f"Participants were divided into {split['folds']} folds, each held out once{held}."
    if split.get("scheme") == "leave_one_out":
        return f"Each participant was held out once, with a network trained on all others{held}."
    if summary.get("shared_persons"):
        return (
            f"The data set's own parts were kept{held}; {count(summary['shared_persons'], 'person')} had recordings in "
            "several of them, and figures for persons that the training had not seen are given beside."
        )
    validated = any(metric["split"] == "validation" for metric in summary.get("metrics", []))
    parts = "training, validation and test" if validated else "training and test"
    return f"Participants were divided into {parts}{held}; none was on two sides."


def _faces(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    windows = record["config"]["windows"]
    rate = f", resampled to {windows['rate']:g} frames a second by time stamps" if windows.get("rate") else ""
    dilation = "consecutive" if windows["dilation"] == 1 else f"every {ordinal(windows['dilation'])}"
    yield f"Faces were followed with the detector {_part(text, record, 'detector')}."
    yield (
        f"The network saw crops of {_part(text, record, 'cropper')} in windows of {windows['frames']} frames "
        f"({dilation} frame{rate}; overlap {windows['overlap']:g}); windows with more than "
        f"{100 * windows['max_invalid']:.0f} % of frames without a face were left out."
    )


def _network(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    yield f"The network was {_part(text, record, 'backbone')} with the objective {_part(text, record, 'objective')}."


def _training(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    training = record["config"].get("training")
    if not training:
        yield "It was not trained here: a trained network was used as it was."
        return
    optimizer, its_paper = _OPTIMIZERS[training["optimizer"]]
    schedule, paper = _SCHEDULES[training["schedule"]]
    yield (
        f"It was trained for {training['epochs']} epochs in batches of {training['batch']} with "
        f"{optimizer}{text.cite(its_paper)} (learning rate {training['learning_rate']:g}, weight decay "
        f"{training['weight_decay']:g}) and {schedule}{text.cite(paper)}."
    )
    every = count(training.get("unfreeze_every") or 0, "epoch").removeprefix("1 ")
    extras = [
        f"layers were thawed one by one from the last, every {every}{text.cite(_ULMFIT)}"
        if training.get("unfreeze_every")
        else "",
        f"Gaussian noise of standard deviation {training['label_noise']:g} was added to the labels"
        if training.get("label_noise")
        else "",
        "severity bands were balanced by up-sampling" if training.get("balance") == "bands" else "",
        f"training would stop after {training['patience']} epochs without a lower validation loss"
        if training.get("patience")
        else "",
        "it began with the weights of another training" if training.get("start_from") else "",
    ]
    said = [extra for extra in extras if extra]
    if said:
        sentence = listed(said)
        yield f"{sentence[0].upper()}{sentence[1:]}."


def _evaluation(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    yield (
        "The participant is the unit of all statistics; intervals are 95 % percentile bootstrap intervals over "
        f"participants{text.cite(_BOOTSTRAP)}."
    )


def _explanation(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    explain, pooling = record["config"]["explain"], record["config"]["pooling"]
    methods = [_part(text, record, f"explain.methods.{name}") for name in explain["methods"]]
    yield (
        f"Decisions were explained with {listed(methods)}, and relevance was pooled over face regions (grown "
        f"{'convex hull' if pooling['shape'] == 'hull' else 'bounding box'} of the landmarks, padding "
        f"{pooling['padding']:g}) and over time."
    )
    for name in explain["methods"]:
        compared = record.get("compared_with", {}).get(f"explain.methods.{name}")
        if compared:
            yield f"{name} compares a clip with {compared}."
    controls = explain["controls"]
    kinds = [
        count(controls["networks"], "untrained network") if controls["networks"] else "",
        count(controls.get("permuted", 0), "network") + " trained with permuted labels"
        if controls.get("permuted")
        else "",
    ]
    if any(kinds):
        yield f"The same was done for {listed([kind for kind in kinds if kind])} as controls."


def _analysis(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    config = record["config"]
    units = [_part(text, record, f"action_units.{name}") for name in config.get("action_units", {})]
    analyzers = [_part(text, record, f"analyzers.{name}") for name in config.get("analyzers", {})]
    if units:
        yield f"Facial Action Units came from {listed(units)}."
    if analyzers:
        yield f"The analyses were {listed(analyzers)}."


def _software(text: MethodsText, record: Document, summary: Document) -> Iterator[str]:
    versions = [f"{name} {record['versions'][name]}" for name in _KEPT if name in record["versions"]]
    yield (
        f"All was computed with {listed(versions)} on Python {record['python']} ({record['device']}), seed "
        f"{record['seed']}. {record['notice']}"
    )
