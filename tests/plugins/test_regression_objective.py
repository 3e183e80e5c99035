"""Guarantees: metrics equal scipy's, losses torch's, and predictions undo the standardisation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy import stats

from mien_plugins.objectives.regression import Regression


@pytest.mark.parametrize("seed", range(4))
def test_metrics_equal_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 12, 40).astype(float)  # with ties
    predictions = np.round(labels + rng.normal(0, 3, 40))
    metrics = Regression().metrics(predictions, labels)
    assert metrics["mae"] == pytest.approx(np.mean(np.abs(predictions - labels)))
    assert metrics["rmse"] == pytest.approx(np.sqrt(np.mean((predictions - labels) ** 2)))
    assert metrics["pearson"] == pytest.approx(stats.pearsonr(predictions, labels)[0])
    assert metrics["spearman"] == pytest.approx(stats.spearmanr(predictions, labels)[0])


def test_concordance_of_closed_cases() -> None:
    labels = np.array([1.0, 2.0, 3.0, 4.0])
    objective = Regression()
    assert objective.metrics(labels, labels)["ccc"] == pytest.approx(1)
    assert objective.metrics(5 - labels, labels)["ccc"] == pytest.approx(-1)
    shifted = objective.metrics(labels + 2, labels)
    assert shifted["pearson"] == pytest.approx(1)
    assert shifted["ccc"] == pytest.approx(2 * 1.25 / (1.25 + 1.25 + 4))


@pytest.mark.parametrize(
    ("predictions", "labels"), [([1.0], [2.0]), ([1.0, 1.0], [0.0, 2.0]), ([1.0, 2.0], [3.0, 3.0])]
)
def test_correlation_without_variation_is_nan(predictions: list[float], labels: list[float]) -> None:
    metrics = Regression().metrics(np.array(predictions), np.array(labels))
    assert np.isnan([metrics["pearson"], metrics["spearman"], metrics["ccc"]]).all()
    assert np.isfinite([metrics["mae"], metrics["rmse"]]).all()


@pytest.mark.parametrize("kind", ["mse", "mae", "huber"])
def test_loss_is_zero_where_predictions_are_right(kind: str) -> None:
    objective = Regression(loss_function=kind)
    labels = np.array([3.0, 7.0, 20.0])
    scale = objective.fit(labels)
    assert scale.mean == pytest.approx(10)
    assert scale.std == pytest.approx(np.std(labels))
    output = torch.tensor([[(label - scale.mean) / scale.std] for label in labels], dtype=torch.float64)
    assert float(objective.loss(output, torch.from_numpy(labels), scale)) == pytest.approx(0, abs=1e-12)
    assert objective.predict(output, scale).numpy() == pytest.approx(labels)
    assert torch.equal(objective.target(output), output[:, 0])
    wrong = objective.loss(output + 0.5, torch.from_numpy(labels), scale)
    assert float(wrong) == pytest.approx({"mse": 0.25, "mae": 0.5, "huber": 0.125}[kind])


def test_equal_labels_have_scale_one() -> None:
    assert Regression().fit(np.array([4.0, 4.0])).std == 1


def test_two_labels_are_no_correlation() -> None:
    metrics = Regression().metrics(np.array([1.0, 5.0]), np.array([2.0, 3.0]))
    assert metrics["mae"] == pytest.approx(1.5)
    assert all(np.isnan(metrics[name]) for name in ("pearson", "spearman", "ccc"))


def test_the_range_must_not_be_empty() -> None:
    with pytest.raises(ValidationError, match="maximum 63 is not above the minimum 70"):
        Regression(minimum=70, maximum=63)


@pytest.mark.parametrize(
    ("label", "reason"), [(float("nan"), "finite"), (-1.0, "below the minimum 0"), (64.0, "above the maximum 63")]
)
def test_labels_that_cannot_be_used(label: float, reason: str) -> None:
    objective = Regression(minimum=0, maximum=63)
    assert reason in (objective.check_label(label) or "")
    assert objective.check_label(10) is None
