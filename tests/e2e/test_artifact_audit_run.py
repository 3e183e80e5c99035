"""The audit for artefacts on a whole, tiny run, with faces and without."""

import pandas as pd
import pytest

from mien.config import RunConfig
from mien.registry import load_registry
from mien.report.privacy import find_images
from mien.steps import pipeline
from mien.store.store import Store

pytestmark = pytest.mark.usefixtures("mediapipe_usable")

DOCUMENT = {
    "dataset": {
        "use": "animated_face",
        "participants": 5,
        "test_participants": 3,
        "recordings_per_participant": 1,
        "frames": 14,
        "size": 96,
        "badge": "cue",
    },
    "detector": "mediapipe",
    "cropper": {"use": "face", "height": 32, "width": 32},
    "windows": {"frames": 4, "overlap": 0.5},
    "backbone": {"use": "compact_r3d", "widths": [4, 8], "frames": 4, "size": 32},
    "objective": "regression",
    "training": {"epochs": 1, "batch": 4},
    "explain": {
        "methods": {"ixg": "input_x_gradient"},
        "windows_per_recording": 3,
        "controls": {"networks": 1, "windows_per_participant": 1},
    },
    "analyzers": {"audit": "artifact_audit"},
    "report": {"videos": 0},
}


def test_a_run_is_audited_with_faces_and_without(tmp_path):
    for faces in ("full", "none"):
        changes = {"report": {"videos": 0, "faces": faces}}
        config = RunConfig.model_validate(DOCUMENT | changes, context={"registry": load_registry()})
        outcome = pipeline.run(config, tmp_path / faces, store=Store(tmp_path / "store"), device="cpu")
        assert outcome.exit_code == 0
        table = pd.read_parquet(tmp_path / faces / "tables" / "artifact_audit.parquet")
        relevance = pd.read_parquet(tmp_path / faces / "tables" / "relevance.parquet")
        sums = relevance[relevance["valid"] & (relevance["split"] == "test")].groupby(["participant", "region"])
        absolute = sums["absolute"].sum().unstack()
        assert table["share"].iloc[0] == pytest.approx((absolute["background"] / absolute["total"]).mean())
        assert table["ratio_low"].notna().all()
        assert table["place"].iloc[0]
        clips = pd.read_parquet(tmp_path / faces / "tables" / "artifact_audit_clips.parquet")
        assert len(clips) == 9
        assert clips["cluster"].notna().all()
        report = (tmp_path / faces / "report.html").read_text(encoding="utf-8")
        assert "Clusters of relevance maps (ixg)" in report
        assert ("p03_r01" in report) == (faces == "full")
    assert find_images(tmp_path / "none") == []
