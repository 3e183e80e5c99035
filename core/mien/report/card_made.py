"""What a model card says of the network, its data and its training."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from mien.evaluation.bands import band_of
from mien.interfaces import Component
from mien.report.card_material import CardMaterial
from mien.report.facts import SPLIT_TITLES, Grid
from mien.report.markdown import Markdown, code, escaped
from mien.report.privacy import names_a_file
from mien.report.words import FEW, count, division, listed, number, ordinal

_SIDES = ("train", "validation", "test")
_LEFT_OUT = ("logger", "start_from")  # the first changes nothing, the second is a path


def network_grid(material: CardMaterial) -> Grid:
    """Return what the network is, a row a property."""
    config, about = material.config, material.about
    rows = {
        "Backbone": _component(config.backbone),
        "Parameters": escaped(f"{material.parameters:,}"),
        "Began with": escaped(_began_with(material)),
        "Face detector": _component(config.detector),
        "Crop": _component(config.cropper),
        "Input": escaped(_input(material)),
        "Objective": _component(config.objective),
        "Output": escaped(count(config.objective.outputs, "number") + " a clip"),
        "SHA-256 of the weights": code(about.get("sha256", "")),
        "Made": escaped(f"{str(material.record['started'])[:10]}, mien {material.record['versions'].get('mien', '?')}"),
    }
    if material.fold is not None:
        rows["Fold"] = escaped(f"{material.fold}, one of {count(int(material.summary.get('folds', 1)), 'network')}")
    return Grid(("", ""), [[escaped(name), value] for name, value in rows.items()], (False, False))


def _component(component: Component) -> Markdown:
    said = first_sentence(component)
    return Markdown(f"{code(component.use)}: {escaped(said)}" if said else code(component.use))


def first_sentence(component: Component) -> str:
    """Return the first line of a component's documentation."""
    documented = inspect.cleandoc(type(component).__doc__ or "")
    return documented.splitlines()[0] if documented else ""


def _began_with(material: CardMaterial) -> str:
    hashes = material.about.get("provenance", {}).get("weights", {})
    if not hashes:
        return f"random weights, drawn with the seed {material.config.seed}"
    known = ", ".join(f"SHA-256 {digest}" for digest in hashes.values())
    if material.config.training.start_from is not None:
        head = "its head kept" if material.config.training.start_head == "keep" else "with a new head"
        return f"the weights of another network, {head} ({known})"
    files = [
        f"{file.name}, {file.note}" if file.note else file.name for file in material.config.backbone.needed_weights()
    ]
    name = listed(files) or listed([str(place).partition(".")[2] or str(place) for place in hashes])
    return f"pretrained weights: {name} ({known})"


def _input(material: CardMaterial) -> str:
    config = material.config
    windows, spec = config.windows, config.backbone.input_spec
    every = "" if windows.dilation == 1 else f" (every {ordinal(windows.dilation)})"
    rate = f", at {windows.rate:g} frames a second" if windows.rate else ""
    size = f" of {config.cropper.height} × {config.cropper.width} pixels" if spec.layout == "video" else ""
    how = {
        "clip": "each channel of each clip has mean 0 and standard deviation 1",
        "fixed": "standardised by fixed means and standard deviations of the channels",
        "none": "pixels from 0 to 1",
    }[spec.standardise if spec.layout == "video" else "clip"]
    what = "clips" if spec.layout == "video" else "landmarks over clips"
    return f"{what} of {count(windows.frames, 'frame')}{every}{rate}{size}" + (f"; {how}" if size else "")


def meaning(material: CardMaterial) -> list[str]:
    """Return what the network's number means, in sentences."""
    objective, scale = material.config.objective, material.about.get("scale", {})
    said = []
    if objective.continuous and scale:
        said.append(
            f"The network's number for a clip is a standardised score: times {number(scale['std'])} plus "
            f"{number(scale['mean'])} it is the prediction of “{material.label}” in the label's unit."
        )
    said.append(
        "The prediction of a recording is the mean over its clips, and that of a participant the mean over their "
        "recordings, session by session."
    )
    if bands := objective.severity_bands:
        named = [f"{name} from {lowest:g}" for name, lowest in bands.items()]
        said.append(f"Severity bands: {listed(named)}.")
    said.append(f"Positive relevance speaks for {objective.higher_is}; what is explained is the network's own number.")
    return said


def data_notes(material: CardMaterial) -> list[str]:
    """Return who the participants are, how they were divided, their labels, and how many were set aside."""
    dataset, used = material.config.dataset, material.used
    said = [
        f"The data set is “{dataset.use}”: {first_sentence(dataset)} Participants are {dataset.participants_are}.",
        *division(material.summary, {"split": {"scheme": material.config.split.scheme}}),
    ]
    if material.fold is not None:
        held, seen = (
            count(one["participant"].nunique(), "participant") for one in (material.held_out, material.trained)
        )
        said.append(f"This network is that of fold {material.fold}: it held out {held} and learnt from {seen}.")
    said += _labels(material, used)
    aside = material.table("recordings").query("status == 'excluded'")
    steps = [
        f"{many} at the step “{step}”" for step, many in aside["stage"].value_counts(sort=False).sort_index().items()
    ]
    said.append(
        f"{count(len(aside), 'recording was', 'recordings were')} set aside: {listed(steps)}."
        if len(aside)
        else "No recording was set aside."
    )
    return said


def _labels(material: CardMaterial, used: pd.DataFrame) -> Iterator[str]:
    limits = [getattr(material.config.objective, name, None) for name in ("minimum", "maximum")]
    if None not in limits:
        yield f"Labels of “{material.label}” may lie from {limits[0]:g} to {limits[1]:g}."
    people = {side: own for side in _SIDES if len(own := used[(used["split"] == side) & used["label"].notna()])}
    ranges = [
        f"{SPLIT_TITLES[side]} {own['label'].min():g} to {own['label'].max():g} (mean over participants "
        f"{number(own.groupby('participant')['label'].mean().mean())})"
        for side, own in people.items()
        if own["participant"].nunique() >= FEW
    ]
    if ranges:
        yield f"Labels: {listed(ranges)}."
    if len(ranges) < len(people):
        yield f"Labels of a side with fewer than {FEW} participants are not told, because they may say who they are."


def bands_without_training(material: CardMaterial) -> list[str]:
    """Return the severity bands of which no training participant has a label."""
    bands = material.config.objective.severity_bands
    there = set(band_of(material.trained["label"].dropna(), bands)) if bands else set()
    return [name for name in bands if name not in there]


def training_notes(material: CardMaterial) -> list[str]:
    """Return which epoch was kept, and what else is to be known of the training."""
    training, about = material.table("training"), material.about.get("training", {})
    own = training[(training["network"] == "trained") & (training["fold"] == (material.fold or 0))]
    said = []
    if len(own) and about.get("best_epoch") is not None:
        why = "the lowest validation loss" if own["validation_loss"].notna().any() else "the last: nobody validated"
        said.append(
            f"Of {count(len(own), 'epoch')} that were made, epoch {int(about['best_epoch']) + 1} was kept ({why})."
        )
    return [*said, *(str(note) for note in about.get("notes", []))]


def settings_grid(material: CardMaterial) -> Grid:
    """Return every setting of the training."""
    settings = {
        **material.record["config"]["training"],
        "seed": material.config.seed,
        "device": material.record["device"],
    }
    rows = [
        [code(name), escaped(value)]
        for name, value in _flat(settings)
        if name not in _LEFT_OUT and not names_a_file(value)
    ]
    return Grid(("setting", "value"), rows, (False, False))


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield before + name, {"None": "none", "True": "yes", "False": "no"}.get(str(value), value)
