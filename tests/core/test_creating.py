"""Components made from Python."""

import pytest

import mien
from mien import ConfigError, create, landmark_scheme
from mien.registry import load_registry


def test_a_component_is_that_of_the_registry():
    made = create("attribution", "occlusion")
    assert made == load_registry().create("attribution", "occlusion")
    assert made.use == "occlusion"
    assert create("objective", "regression", name="joy").name == "joy"


@pytest.mark.parametrize(
    ("arguments", "fields", "message"),
    [
        (("atribution", "lrp"), {}, "There is no kind of component 'atribution'. Did you mean 'attribution'"),
        (("landmarks", "mediapipe_478"), {}, "There is no kind of component 'landmarks'"),
        (("attribution", "occlusoin"), {}, "There is no attribution 'occlusoin'. Did you mean 'occlusion'"),
        (("objective", "regression"), {"nam": "joy"}, "'regression' has no parameter 'nam'. Did you mean 'name'"),
        (("objective", "regression"), {"minimum": "low"}, "minimum: "),
    ],
)
def test_what_does_not_fit_is_told_with_the_nearest_name(arguments, fields, message):
    with pytest.raises(ConfigError) as caught:
        create(*arguments, **fields)
    assert message in str(caught.value)


def test_a_scheme_is_made_by_its_id():
    assert landmark_scheme("ibug_68").points == 68
    with pytest.raises(ConfigError, match="no landmarks"):
        landmark_scheme("ibug_67")


@pytest.mark.parametrize(
    "name", ["LandmarkMap", "PlantedLandmarks", "PlantedTruth", "VideoWriter", "nearest", "point_bits"]
)
def test_what_landmark_plugins_need_is_public(name):
    assert name in mien.__all__
    assert getattr(mien, name).__name__ == name
