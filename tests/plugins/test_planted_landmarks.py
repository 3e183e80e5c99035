"""The animated face tells its landmarks, and takes an intensity for each frame."""

import numpy as np
import pytest

from mien.errors import ConfigError, DataError
from mien.interfaces import PlantedLandmarks
from mien.registry import load_registry


@pytest.fixture(scope="module")
def face():
    fields = {"participants": 2, "test_participants": 1, "recordings_per_participant": 1, "frames": 5, "size": 128}
    return load_registry().create("dataset", "animated_face", fields)


def test_it_is_one_that_knows_its_landmarks(face):
    assert isinstance(face, PlantedLandmarks)
    assert load_registry().scheme(face.landmark_scheme).points == 478


def test_landmarks_are_those_written_beside_the_videos(face, tmp_path):
    from mien.progress import QuietProgress

    listing = face.recordings(tmp_path, QuietProgress())
    for recording in listing.recordings:
        written = np.load(tmp_path / "landmarks" / f"{recording.id}.npy", allow_pickle=False)
        np.testing.assert_array_equal(face.landmarks(recording.id, range(5), {}), written)


def test_what_is_planned_is_what_is_made(face, tmp_path):
    from mien.progress import QuietProgress

    made = face.recordings(tmp_path, QuietProgress()).recordings
    planned = face.planned()
    assert [one.id for one in planned] == [one.id for one in made]
    assert [(one.participant, one.split, one.label) for one in planned] == [
        (one.participant, one.split, one.label) for one in made
    ]
    assert [tmp_path / one.video for one in planned] == [one.video for one in made]


def test_an_intensity_for_each_frame_is_as_many_calls(face):
    frames, strengths = [4, 0, 2], np.array([0.1, 0.9, 0.4])
    for function in (face.landmarks, face.render):
        together = function("p01_r01", frames, {"AU12": strengths, "AU26": 0.3}, neutral=True)
        for place, (number, strength) in enumerate(zip(frames, strengths, strict=True)):
            alone = function("p01_r01", [number], {"AU12": float(strength), "AU26": 0.3}, neutral=True)
            np.testing.assert_array_equal(together[place], alone[0])


def test_asking_changes_no_plan(face):
    before = face.intensities("p01_r01")
    face.render("p01_r01", [0, 1], {"AU12": 1.0})
    face.landmarks("p01_r01", range(5), {"AU12": np.linspace(0, 1, 5)})
    np.testing.assert_array_equal(face.intensities("p01_r01"), before)


def test_bad_input_is_told(face):
    with pytest.raises(DataError, match=r"AU12 has intensities of shape \(3,\) for 2 frames"):
        face.landmarks("p01_r01", [0, 1], {"AU12": np.zeros(3)})
    with pytest.raises(DataError, match="no frame 5"):
        face.landmarks("p01_r01", [5], {})
    with pytest.raises(DataError, match="no recording"):
        face.landmarks("nobody", [0], {})
    with pytest.raises(ConfigError, match="cannot be planted"):
        face.landmarks("p01_r01", [0], {"AU13": 1.0})
