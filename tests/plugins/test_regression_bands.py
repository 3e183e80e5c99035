"""Guarantees: bands are in order and on the score's scale; the default holds for scores that it fits."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mien.config.run_config import dump
from mien.registry import load_registry

BDI_II = {"minimal": 0, "mild": 14, "moderate": 20, "severe": 29}


def made(**fields):
    return load_registry().create("objective", "regression", fields)


@pytest.mark.parametrize("scale", [{}, {"minimum": 0, "maximum": 63}, {"minimum": 0}, {"maximum": 29}])
def test_the_default_is_the_bdi(scale) -> None:
    assert made(**scale).severity_bands == BDI_II
    assert list(made(**scale).severity_bands) == list(BDI_II)


@pytest.mark.parametrize("scale", [{"maximum": 1}, {"minimum": -5, "maximum": 63}, {"maximum": 27}])
def test_another_scale_has_no_bands_and_comes_back_the_same(scale) -> None:
    objective = made(**scale)
    assert objective.severity_bands == {}
    fields = {name: value for name, value in dump(objective).items() if name != "use"}
    assert made(**fields) == objective


def test_own_bands_and_none() -> None:
    phq = {"minimal": 0, "mild": 5, "moderate": 10, "severe": 15}
    assert made(minimum=0, maximum=24, bands=phq).severity_bands == phq
    assert made(bands={}).severity_bands == {}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"bands": {"low": 0, "high": 0}}, "'high' begins at 0, which is not above 'low' at 0"),
        ({"bands": {"low": 5, "high": 3}}, "'high' begins at 3"),
        ({"minimum": 0, "bands": {"low": 2, "high": 30}}, "labels from 0 to 2 are in no band"),
        ({"maximum": 20, "bands": {"low": 0, "high": 30}}, "'high' begins at 30, above the maximum 20"),
        ({"bands": {"low": float("nan")}}, "finite"),
    ],
)
def test_bands_that_cannot_be_are_refused(fields, message) -> None:
    with pytest.raises(ValidationError, match=message):
        made(**fields)
