from pathlib import Path

import pytest

from mien.errors import DataError
from mien.steps.recordings import _refuse_repeated_ids, unlabelled_recordings, with_splits
from mien.types import Recording


def test_videos_outside_a_data_set_get_ids_that_are_not_taken():
    found = unlabelled_recordings(["a/face.mp4", "b/face.mp4"], taken=["face"])
    assert [recording.id for recording in found] == ["face_2", "face_3"]
    assert [recording.participant for recording in found] == ["face_2", "face_3"]
    assert all(recording.label is None and recording.split is None for recording in found)


def test_a_file_of_an_installed_package_is_found():
    (found,) = unlabelled_recordings(["wheel:pytest:METADATA"])
    assert found.video.is_file()


def test_a_package_that_is_not_installed_is_named():
    (found,) = unlabelled_recordings(["wheel:no-such-distribution:clip.mp4"])
    assert "no-such-distribution" in str(found.video)
    assert not found.video.exists()


def test_repeated_ids_are_refused():
    recordings = [Recording("r", "p", Path("a.mp4")), Recording("r", "q", Path("b.mp4"))]
    with pytest.raises(DataError, match="have the id 'r'"):
        _refuse_repeated_ids(recordings)


def test_splits_are_written_into_the_recordings():
    (recording,) = with_splits([Recording("r", "p", Path("a.mp4"))], {"r": "test"})
    assert recording.split == "test"
