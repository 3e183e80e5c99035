"""The analyzer on runs with planted truth, its baselines, what it does with fixations that it cannot use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError

from mien import DataError, Tile
from mien.testing import AnalyzerSuite, clip_batch
from mien_gaze.analyzer import GazeAgreement
from mien_gaze.density import centre_map
from mien_gaze.settings import SyntheticViewers
from mien_gaze.synthetic import synthetic_fixations
from mien_gaze.tables import FATES, METRICS

SIDE, FRAME = 24, 160  # of the crop and of the video, pixels
PEOPLE = 12


class TestGazeAgreement(AnalyzerSuite):
    component = GazeAgreement


class View:
    """A synthetic run whose crops show the whole frame, with maps of our own: by method and recording."""

    def __init__(self, maps, participants=PEOPLE, **clips):
        self.base = TestGazeAgreement().view(participants=participants)
        self.made = maps
        self.changed = clips

    def __getattr__(self, name):
        return getattr(self.base, name)

    @property
    def tiles(self):
        return (Tile(0, 0, SIDE, SIDE),)

    @property
    def relevance(self):
        return pd.concat([self.base.relevance.assign(method=name) for name in self.made], ignore_index=True)

    def clips(self, keys):
        batch = clip_batch(len(keys), size=SIDE)
        scale = SIDE / FRAME
        shrink = torch.tensor([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2]], dtype=torch.float64)
        transforms = shrink.expand(len(keys), batch.frames.shape[1], 1, 2, 3)
        yield replace(batch, keys=keys, **{"transforms": transforms, **self.changed})

    def maps(self, method, key):
        return np.repeat(self.made[method][key.recording][None], 4, axis=0)


RECORDINGS = [f"p{number}_r0" for number in range(PEOPLE)]


def _blobs(seed):
    """Return a map a recording: a few spots, elsewhere in each."""
    found = {}
    down, across = np.mgrid[:SIDE, :SIDE]
    for number, name in enumerate(RECORDINGS):
        rng = np.random.default_rng([seed, number])
        spots = rng.uniform(2, SIDE - 3, size=(3, 2))
        found[name] = sum(np.exp(-((down - a) ** 2 + (across - b) ** 2) / 6) for a, b in spots)
    return found


def _drawn(maps, viewers=3, each=3, seed=0):
    """Return fixations of each viewer on each recording, drawn from a map of it."""
    rows = []
    rng = np.random.default_rng(seed)
    for name, image in maps.items():
        chosen = rng.choice(image.size, viewers * each, p=(image / image.sum()).ravel())
        for number, place in enumerate(chosen):
            y, x = (np.array(divmod(place, SIDE)) + 0.5) * FRAME / SIDE - 0.5
            rows.append((name, 0.01 + 0.1 * rng.random(), x, y, 0.03, f"v{number % viewers}"))
    return pd.DataFrame(rows, columns=["recording", "time", "x", "y", "duration", "viewer"])


def _analyzer(folder, fixations, **fields):
    path = Path(folder) / "fixations.csv"
    fixations.to_csv(path, index=False)
    return GazeAgreement(fixations=path, sigma=8.0, sigma_unit="pixels", **{"resamples": 400, **fields})


def _row(table, **about):
    own = table
    for column, value in about.items():
        own = own[own[column] == value]
    assert len(own) == 1
    return own.iloc[0]


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Fixations drawn from the relevance of one method; another method's is as spotty, elsewhere."""
    maps = {"planted": _blobs(12), "random": _blobs(102)}
    return _analyzer(tmp_path_factory.mktemp("planted"), _drawn(maps["planted"], viewers=2, seed=2)).analyze(View(maps))


# planted truth


def test_the_method_that_fixations_were_drawn_from_agrees_beyond_other_viewers(planted):
    table = planted.tables["gaze_differences"]
    # The face fills the crop, so that nothing correlates with it; the template is made of the shuffled AUC's negatives.
    undefined = {("face", "cc"), ("template", "auc_shuffled")}
    for baseline in ("centre", "face", "template", "other_viewers"):
        for metric in METRICS:
            if (baseline, metric) not in undefined:
                assert _row(table, method="planted", baseline=baseline, metric=metric)["verdict"] == "above"


def test_random_maps_do_not(planted):
    table = planted.tables["gaze_differences"]
    for metric in set(METRICS) - {"kl"}:  # two viewers' few spots leave zeros elsewhere, which KL punishes without end
        assert _row(table, method="random", baseline="other_viewers", metric=metric)["verdict"] == "below"
    agreement = planted.tables["gaze_agreement"]
    for metric, chance in (("nss", 0), ("cc", 0), ("auc_judd", 0.5), ("auc_shuffled", 0.5)):
        row = _row(agreement, map="random", against="all", metric=metric)
        assert row["low"] < chance < row["high"]


def test_report_and_remarks_say_what_was_found_and_what_it_is_no_proof_of(planted):
    notes = " ".join(planted.notes)
    assert "72 of 72 fixations were used." in notes
    assert "planted: NSS" in notes
    beaten = "the centre of the crop, an even spread over the face, the gaze on other faces and the gaze of other"
    assert f"it agrees with gaze more than {beaten} viewers." in notes
    assert "less than the gaze of other viewers, not clearly more or less than the centre of the crop" in notes
    assert "no proof" in notes
    assert planted.method_remarks["planted"].verdict == "Agrees with gaze more than the gaze of other viewers"
    assert all(remark.level == "care" for remark in planted.method_remarks.values())
    assert "no proof" in planted.method_remarks["planted"].text


def test_means_are_of_windows_then_of_participants(planted):
    windows, people = planted.tables["gaze_windows"], planted.tables["gaze_participants"]
    own = windows[(windows["map"] == "planted") & (windows["against"] == "all")]
    assert len(own) == PEOPLE
    mean = own.groupby("participant")["nss"].mean().mean()
    assert _row(planted.tables["gaze_agreement"], map="planted", against="all", metric="nss")["value"] == mean
    assert people[(people["map"] == "planted") & (people["against"] == "all")]["windows"].tolist() == [1] * PEOPLE


def test_a_bias_that_all_recordings_share_earns_nothing_in_the_shuffled_auc(tmp_path):
    centre = dict.fromkeys(RECORDINGS, centre_map((SIDE, SIDE), 0.15))
    found = _analyzer(tmp_path, _drawn(centre, viewers=2, each=20)).analyze(View({"centred": centre}))
    table = found.tables["gaze_agreement"]
    assert _row(table, map="centred", against="all", metric="auc_judd")["value"] > 0.85
    assert _row(table, map="centred", against="all", metric="auc_shuffled")["value"] == pytest.approx(0.5, abs=0.05)
    assert _row(table, map="template", against="all", metric="auc_judd")["value"] > 0.8
    assert np.isnan(_row(table, map="template", against="all", metric="auc_shuffled")["value"])
    assert not any(note.startswith("template") for note in found.notes)


def test_a_uniform_map_is_chance_through_the_whole_analyzer(tmp_path):
    even = dict.fromkeys(RECORDINGS, np.full((SIDE, SIDE), 0.7))
    found = _analyzer(tmp_path, _drawn(_blobs(0))).analyze(View({"even": even}))
    table = found.tables["gaze_agreement"]
    values = {metric: _row(table, map="even", against="all", metric=metric)["value"] for metric in METRICS}
    assert values["nss"] == 0
    assert values["auc_judd"] == values["auc_shuffled"] == 0.5
    assert np.isnan(values["cc"])
    assert "even: CC is not defined in 12 windows, which it leaves out." in found.notes


def test_other_viewers_are_the_others(tmp_path):
    """Two viewers at one place, one elsewhere: by hand, whose gaze the others predict."""
    here, there = (40, 40), (120, 120)
    rows = [("p0_r0", 0.05, *here, 0.1, "a"), ("p0_r0", 0.05, *here, 0.1, "b"), ("p0_r0", 0.05, *there, 0.1, "c")]
    columns = ["recording", "time", "x", "y", "duration", "viewer"]
    view = View({"even": dict.fromkeys(RECORDINGS, np.ones((SIDE, SIDE)))})
    table = _analyzer(tmp_path, pd.DataFrame(rows, columns=columns)).analyze(view).tables["gaze_windows"]
    row = _row(table, map="other_viewers", against="each_viewer")
    pixels = SIDE * SIDE - 1
    # For a and b, one other fixated their pixel and one another: the mirror image ties. For c nobody looked there.
    assert 1 - 3 / pixels < (3 * row["auc_judd"] - _lost(here, there)) / 2 <= 1
    assert row["viewers"] == row["fixations"] == 3


def _lost(here, there):
    """Return the AUC of the point ``there`` on a Gaussian around ``here``."""
    down, across = np.mgrid[:SIDE, :SIDE]
    distance = [(np.array(place) + 0.5) * SIDE / FRAME - 0.5 for place in (here, there)]
    image = (across - distance[0][0]) ** 2 + (down - distance[0][1]) ** 2
    at = image[tuple(np.floor(distance[1][::-1] + 0.5).astype(int))]
    return ((image > at).sum() + ((image == at).sum() - 1) / 2) / (SIDE * SIDE - 1)


# every fixation has a fate


def test_every_fixation_is_counted_once_under_its_fate(tmp_path):
    rows = [
        ("used", "p0_r0", 0.05, 80, 80, 0.1, "a"),
        ("used", "p1_r0", 0.05, 30, 80, 0.1, "a"),
        ("outside_frame", "p0_r0", 0.05, -3, 80, 0.1, "a"),
        ("outside_frame", "p0_r0", 0.05, 80, 160, 0.1, "a"),
        ("beyond_video", "p0_r0", 99, 80, 80, 0.1, "a"),
        ("beyond_video", "p0_r0", -0.01, 80, 80, 0.1, "a"),
        ("between_windows", "p0_r0", 0.3, 80, 80, 0.1, "a"),  # the clip is four frames, the video sixteen
        ("invalid", "p0_r0", 0.05, float("nan"), 80, 0.1, "a"),
        ("invalid", "p0_r0", 0.05, 80, float("inf"), 0.1, "a"),
        ("invalid", "p0_r0", 0.05, 80, 80, -0.1, "a"),
        ("invalid", "p0_r0", 0.05, 80, 80, 0.1, ""),
        ("unknown_recording", "p0_ro", 0.05, 80, 80, 0.1, "a"),
    ]
    fixations = pd.DataFrame(rows, columns=["fate", "recording", "time", "x", "y", "duration", "viewer"])
    found = _analyzer(tmp_path, fixations).analyze(View({"even": _blobs(0)}))
    counted = found.tables["gaze_fixations"].set_index("fate")["fixations"]
    assert counted.to_dict() == {fate: int((fixations["fate"] == fate).sum()) for fate in FATES}
    assert counted.sum() == len(rows)
    own = found.tables["gaze_recordings"].set_index("recording").loc["p0_r0"]
    assert (own["used"], own["outside_frame"], own["invalid"], own["viewers"]) == (1, 2, 4, 1)
    notes = " ".join(found.notes)
    assert "2 of 12 fixations were used." in notes
    for name in FATES:
        assert name == "used" or counted[name] == 0 or f"{counted[name]} {FATES[name]}" in notes
    assert "10 of 12 windows hold no fixation" in notes


def test_frames_without_a_face_and_places_beside_the_crop(tmp_path):
    fixations = _drawn(_blobs(0), viewers=2, each=2)
    valid = torch.ones((PEOPLE, 4), dtype=torch.bool)
    valid[0] = False
    half = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]], dtype=torch.float64).expand(PEOPLE, 4, 1, 2, 3)
    found = _analyzer(tmp_path, fixations).analyze(View({"even": _blobs(0)}, valid=valid, transforms=half))
    counted = found.tables["gaze_fixations"].set_index("fate")["fixations"]
    beside = (fixations[["x", "y"]] >= SIDE - 0.5).any(axis=1) & (fixations["recording"] != "p0_r0")
    assert counted["no_face"] == 4
    assert counted["outside_crop"] == beside.sum() > 0


def test_recordings_that_were_not_explained_are_told(tmp_path):
    view = View({"even": _blobs(0)})
    whole = view.base.relevance
    view.base = replace(view.base, relevance=whole[whole["recording"] != "p3_r0"])
    found = _analyzer(tmp_path, _drawn(_blobs(0))).analyze(view)
    assert found.tables["gaze_fixations"].set_index("fate")["fixations"]["not_explained"] == 9


def test_names_that_the_run_does_not_know_are_in_the_log_and_not_in_the_report(tmp_path, caplog):
    fixations = _drawn(_blobs(0))
    fixations.loc[0, "recording"] = "p0_ro"
    found = _analyzer(tmp_path, fixations).analyze(View({"even": _blobs(0)}))
    assert "'p0_ro' is not a recording of this run. Did you mean 'p0_r0'?" in caplog.text
    assert "p0_ro" not in " ".join(found.notes)


def test_no_fixation_on_any_recording_of_the_run_is_an_error(tmp_path, caplog):
    fixations = _drawn(_blobs(0)).assign(recording="p0_ro")
    with pytest.raises(DataError, match="No fixation is on a recording of this run") as caught:
        _analyzer(tmp_path, fixations).analyze(View({"even": _blobs(0)}))
    assert "p0_r" not in str(caught.value)  # the report tells it, and may be without names
    assert "'p0_ro' is not a recording of this run. Did you mean 'p0_r0'?" in caplog.text


def test_a_file_of_a_folder_that_cannot_be_used_is_not_named_in_the_report(tmp_path):
    for name, own in _drawn(_blobs(0)).groupby("recording"):
        own.drop(columns="recording").to_csv(tmp_path / f"{name}.csv", index=False)
    (tmp_path / "anna_smith.csv").write_text("")
    found = GazeAgreement(fixations=tmp_path, sigma=8.0, sigma_unit="pixels", resamples=100).analyze(
        View({"even": _blobs(0)})
    )
    notes = " ".join(found.notes)
    assert f"1 of {PEOPLE + 1} fixation files cannot be used" in notes
    assert "anna_smith" not in notes


def test_times_in_milliseconds_are_an_error_that_asks(tmp_path):
    fixations = _drawn(_blobs(0))
    with pytest.raises(DataError, match="are these milliseconds"):
        _analyzer(tmp_path, fixations.assign(time=fixations["time"] * 1000)).analyze(View({"even": _blobs(0)}))


def test_a_missing_file_is_an_error():
    made = GazeAgreement(fixations=Path("nowhere.csv"), pixels_per_degree=30)
    with pytest.raises(DataError, match=r"nowhere\.csv.*does not exist"):
        made.analyze(View({"even": _blobs(0)}))


def test_nothing_left_is_a_stated_gap(tmp_path):
    fixations = _drawn(_blobs(0)).assign(x=-50.0)
    found = _analyzer(tmp_path, fixations).analyze(View({"even": _blobs(0)}))
    assert "nothing is left" in found.notes[-1]
    assert set(found.tables) == {"gaze_fixations", "gaze_recordings"}


def test_one_viewer_one_recording_and_landmarks_are_stated_gaps(tmp_path):
    own = _drawn(_blobs(0), viewers=1)
    view = View({"even": _blobs(0)}, participants=1)
    notes = " ".join(_analyzer(tmp_path, own[own["recording"] == "p0_r0"]).analyze(view).notes)
    assert "1 window with one viewer alone" in notes
    assert "no gaze on other faces" in notes
    assert "the shuffled AUC is not defined" in notes
    view = View({"even": _blobs(0)}, layout="landmarks")
    assert "landmarks are no picture" in _analyzer(tmp_path, own).analyze(view).notes[0]
    view = View({"even": _blobs(0)}, transforms=None)
    assert "do not say where they were cut" in _analyzer(tmp_path, own).analyze(view).notes[0]


# configuration


def test_a_sigma_in_degrees_is_turned_into_pixels():
    made = GazeAgreement(fixations=Path("f.csv"), sigma=0.5, pixels_per_degree=30)
    assert made.sigma_pixels == 15
    with pytest.raises(ValidationError, match="pixels_per_degree' is needed"):
        GazeAgreement(fixations=Path("f.csv"))


@pytest.mark.parametrize("given", [{}, {"fixations": Path("f.csv"), "synthetic": {}}])
def test_fixations_come_from_one_place(given):
    with pytest.raises(ValidationError, match="either 'fixations'"):
        GazeAgreement(sigma_unit="pixels", **given)


def test_a_misspelt_column_is_refused():
    with pytest.raises(ValidationError, match=r"no column 'tme'\. Did you mean 'time'"):
        GazeAgreement(fixations=Path("f.csv"), sigma_unit="pixels", columns={"tme": "t"})


# made-up viewers


def test_made_up_viewers_look_at_their_region_and_the_report_says_they_are_made_up():
    view = TestGazeAgreement().view()
    track = view.track("p0_r0")
    viewers = SyntheticViewers(region="left_eye", viewers=40, attention=0.8, spread=0.1, bias=0.02, duration=0.1)
    made = synthetic_fixations("p0_r0", track, view.scheme, viewers)
    middle = view.scheme.region_centres(track.landmarks)["left_eye"].mean(0)
    away = np.hypot(made["x"] - middle[0], made["y"] - middle[1]) / 40  # the eyes are 40 pixels apart
    assert (away < 0.4).mean() == pytest.approx(0.83, abs=0.06)  # and a few of those that fall anywhere
    assert made["time"].between(0, track.times[-1]).all()
    assert made["viewer"].nunique() == 40
    pd.testing.assert_frame_equal(made, synthetic_fixations("p0_r0", track, view.scheme, viewers))
    few = viewers.model_copy(update={"viewers": 2})
    found = GazeAgreement(synthetic=few, sigma=8, sigma_unit="pixels", resamples=100).analyze(view)
    assert found.notes[0].startswith("SYNTHETIC")
    assert all("synthetic viewers" in chart.title for chart in found.charts)
    assert not found.method_remarks


def test_made_up_fixations_can_be_kept_in_a_file(tmp_path):
    view = TestGazeAgreement().view(participants=2)
    viewers = SyntheticViewers(viewers=3)
    made = pd.concat([synthetic_fixations(name, view.track(name), view.scheme, viewers) for name in RECORDINGS[:2]])
    read = _analyzer(tmp_path, made).analyze(view)
    drawn = GazeAgreement(synthetic=viewers, sigma=8.0, sigma_unit="pixels", resamples=400).analyze(view)
    pd.testing.assert_frame_equal(read.tables["gaze_windows"], drawn.tables["gaze_windows"])


def test_a_region_that_the_scheme_lacks_is_an_error():
    view = TestGazeAgreement().view()
    with pytest.raises(DataError, match=r"no region 'moth'\. Did you mean 'mouth'"):
        synthetic_fixations("p0_r0", view.track("p0_r0"), view.scheme, SyntheticViewers(region="moth"))
