"""Classes have no mean: units of several parts are given the class of most of them."""

import numpy as np
import pandas as pd

from mien.evaluation import at_levels


def predictions(rows):
    columns = ["participant", "recording", "label", "prediction"]
    return pd.DataFrame(rows, columns=columns).assign(fold=0, session=lambda table: table["recording"])


def test_a_recording_has_the_class_of_most_of_its_windows():
    table = predictions(
        [("p", "r", 5.0, value) for value in (0.0, 5.0, 5.0)] + [("p", "s", 5.0, v) for v in (3.0, 1.0)]
    )
    found = at_levels(table, continuous=False)
    assert found["recording"]["prediction"].tolist() == [5.0, 1.0]  # of equally many, the lowest
    assert found["participant"]["prediction"].tolist() == [1.0]
    assert at_levels(table)["recording"]["prediction"].tolist() == [10 / 3, 2.0]


def test_a_participant_of_several_classes_has_none():
    table = predictions([("p", "r", 0.0, 0.0), ("p", "s", 5.0, 5.0), ("q", "t", 1.0, 1.0)])
    assert list(at_levels(table, continuous=False)) == ["window", "recording"]
    assert at_levels(table)["participant"]["label"].tolist() == [2.5, 1.0]


def test_numbers_are_averaged_as_before():
    random = np.random.default_rng(0)
    table = predictions(
        [(f"p{i % 3}", f"r{i % 6}", float(i % 3), value) for i, value in enumerate(random.normal(size=24))]
    )
    found = at_levels(table)
    assert list(found) == ["window", "recording", "participant"]
    means = table.groupby(["participant", "recording"])["prediction"].mean().groupby("participant").mean()
    np.testing.assert_allclose(found["participant"]["prediction"], means)
