"""Guarantee: predictions are taken from the store only for the same weights and the same way from output to label."""

from pathlib import Path

import pandas as pd
import pytest

from mien.interfaces import LabelScale
from mien.steps import learn
from mien.steps.context import RunContext
from mien.steps.learn import Trained, predict_once
from mien.steps.network import NetworkId
from mien.store.store import Store
from mien.testing.training import SlopeNetwork, SlopeScore
from mien.types import Recording


def test_labels_in_another_unit_are_predicted_anew(tmp_path, monkeypatch):
    """Standardised labels are the same in any unit, and so are the weights that they train."""
    scales = {"points": LabelScale(mean=10, std=4), "tenths": LabelScale(mean=100, std=40)}
    monkeypatch.setattr(learn, "clips_identity", lambda source, id_: id_)
    monkeypatch.setattr(learn, "load_checkpoint", lambda folder, registry: scales[folder.name])
    monkeypatch.setattr(learn, "predict", lambda scale, *_, recordings: _predicted(scale.mean))
    context = RunContext(Store(tmp_path), registry=None)
    people = {"r": Recording("r", "p", Path("v.mp4"), None, None)}

    def said(unit: str) -> float:
        trained = Trained(NetworkId(), Path(unit), "weights", pd.DataFrame(), {}, scales[unit])
        found = predict_once(trained, SlopeNetwork(), SlopeScore(), None, people, context)
        return float(found["prediction"].iloc[0])

    assert said("points") == pytest.approx(10)
    assert said("tenths") == pytest.approx(100)
    assert said("points") == pytest.approx(10)
    assert context.reused["predict"] == 1


def _predicted(value: float) -> pd.DataFrame:
    place = {"recording": "r", "participant": "p", "session": "r", "split": "out_of_distribution", "window": 0}
    return pd.DataFrame([{**place, "start_s": 0.0, "end_s": 1.0, "label": None, "prediction": value,
                          "valid_fraction": 1.0}])  # fmt: skip
