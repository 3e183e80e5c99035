"""Guarantees: a clip depends on (seed, epoch, index) alone; a resumed training equals an uninterrupted one.

The planted task: the label is the slope of the clip's brightness over time, so a network has to use time.
"""

from __future__ import annotations

import logging
import random
import signal
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mien.clips.windows import plan_windows, random_window
from mien.config.settings import AugmentSettings, TrainingSettings, WindowSettings
from mien.errors import ConfigError, DataError, ModelError
from mien.interfaces import Backbone, LabelScale, Objective
from mien.progress import QuietProgress
from mien.steps.evaluate import PREDICTION_COLUMNS, predict
from mien.steps.train import train
from mien.training.data import EpochSampler, TrainingClips, training_batches
from mien.training.devices import resolve_device
from mien.training.fit import fit
from mien.training.module import make_optimizer, make_schedule
from mien.training.quiet import interruptible, seeded
from mien.types import ClipKey, InputSpec, Recording

SPEC = InputSpec(frames=4, height=8, width=8, standardise="none")
WINDOWS = WindowSettings(frames=4, overlap=0.5)
FRAMES = 10


class Source:
    """Stands for a `ClipSource`: synthetic crops whose brightness rises with the label."""

    spec = SPEC
    windows_settings = WINDOWS
    cropper = SimpleNamespace(tiles=())

    def __init__(self, count: int, labelled: bool = True) -> None:
        rng = np.random.default_rng(0)
        slopes = rng.uniform(-8, 8, count)
        noise = rng.normal(0, 6, (count, FRAMES, 8, 8, 3))
        rise = slopes[:, None] * (np.arange(FRAMES) - (FRAMES - 1) / 2)
        crops = np.clip(128 + rise[..., None, None, None] + noise, 0, 255).astype(np.uint8)
        self.recordings = [
            Recording(f"r{i:02d}", f"p{i:02d}", Path("v.mp4"), float(slopes[i]) if labelled else None)
            for i in range(count)
        ]
        self.crops = {recording.id: crops[i] for i, recording in enumerate(self.recordings)}
        self.reads = 0

    def prepared(self, recording: str) -> Any:
        return SimpleNamespace(recording={r.id: r for r in self.recordings}[recording])

    def timeline(self, recording: str) -> Any:
        valid = np.ones(FRAMES, bool)
        valid[5] = False
        return np.arange(FRAMES) / 25, valid

    def windows(self, recording: str) -> Any:
        return plan_windows(*self.timeline(recording), WINDOWS)

    def random_window(self, recording: str, rng: np.random.Generator) -> Any:
        return random_window(*self.timeline(recording), WINDOWS, rng)

    def pixels(self, recording: str, frames: Any) -> Any:
        self.reads += 1
        return self.crops[recording][np.asarray(frames)]

    def select(self, recordings: Sequence[str] | None = None) -> list[ClipKey]:
        ids = [r.id for r in self.recordings] if recordings is None else list(recordings)
        return [ClipKey(id_, "p" + id_[1:], w.index) for id_ in ids for w in self.windows(id_)]


class Net(Backbone):
    """Brightness by frame, then linear: the smallest network that can solve the task; with dropout and batch norm."""

    outputs_off_by: int = 0
    dropout: float = 0.2

    def build(self, outputs: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv3d(3, 4, 1),
            nn.BatchNorm3d(4),
            nn.AdaptiveAvgPool3d((4, 1, 1)),
            nn.Flatten(),
            nn.Dropout(self.dropout),
            nn.Linear(16, outputs + self.outputs_off_by),
        )

    @property
    def input_spec(self) -> InputSpec:
        return SPEC

    def stages(self, model: nn.Module) -> Mapping[str, nn.Module]:
        return {}


class Score(Objective):
    explode: bool = False

    @property
    def outputs(self) -> int:
        return 1

    def check_label(self, label: float) -> str | None:
        return None

    def fit(self, labels: Any) -> LabelScale:
        return LabelScale(mean=float(labels.mean()), std=float(labels.std()))

    def loss(self, output: Any, labels: Any, scale: LabelScale) -> Any:
        error = output[:, 0] - (labels - scale.mean) / scale.std
        return (error**2).mean() * (float("nan") if self.explode else 1)

    def predict(self, output: Any, scale: LabelScale) -> Any:
        return output[:, 0] * scale.std + scale.mean

    def target(self, output: Any) -> Any:
        return output[:, 0]

    def metrics(self, predictions: Any, labels: Any) -> Mapping[str, float]:
        return {}


def _config(seed: int = 1, net: Net | None = None, objective: Score | None = None, **training: Any) -> Any:
    fields = {"epochs": 4, "augment": AugmentSettings(shift=1, jitter=0, flip=True), **training}
    return SimpleNamespace(
        seed=seed, backbone=net or Net(), objective=objective or Score(), training=TrainingSettings(**fields)
    )


def _splits(source: Source, validation: int = 0, test: int = 0) -> dict[str, Any]:
    ids = [recording.id for recording in source.recordings]
    sides = ["validation"] * validation + ["test"] * test
    sides += ["train"] * (len(ids) - len(sides))
    return dict(zip(ids, sides, strict=True))


def _train(config: Any, source: Source, splits: Any, scratch: Path, callbacks: Any = ()) -> Any:
    return train(config, source, splits, scratch, QuietProgress(), "cpu", callbacks)  # type: ignore[arg-type]


def _stop_after(epoch: int, error: BaseException) -> Any:
    from lightning.pytorch import Callback

    class Stop(Callback):
        """Fails in the middle of the epoch that follows."""

        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.current_epoch == epoch + 1:
                raise error

    return Stop()


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


# --- data


def test_an_item_depends_on_seed_epoch_and_index_alone() -> None:
    source = Source(5)
    ids = [recording.id for recording in source.recordings]
    clips = TrainingClips(source, ids, 3, AugmentSettings())  # type: ignore[arg-type]
    asked = [(epoch, index) for epoch in range(3) for index in range(len(clips))]
    first = {item: clips[item][0] for item in asked}
    random.Random(0).shuffle(asked)
    again = TrainingClips(source, ids, 3, AugmentSettings(), memory=0)  # type: ignore[arg-type]
    assert all(np.array_equal(again[item][0], first[item]) for item in asked)
    other = TrainingClips(source, ids, 4, AugmentSettings())  # type: ignore[arg-type]
    assert not any(np.array_equal(other[item][0], first[item]) for item in asked)
    assert not np.array_equal(first[0, 0], first[1, 0])


def test_small_data_are_read_once_and_large_data_on_demand() -> None:
    source = Source(3)
    ids = [recording.id for recording in source.recordings]
    clips = TrainingClips(source, ids, 0, None)  # type: ignore[arg-type]
    before = source.reads
    kept = [clips[0, index][0] for index in range(len(clips))]
    assert source.reads == before
    streamed = TrainingClips(source, ids, 0, None, memory=100)  # type: ignore[arg-type]
    assert all(np.array_equal(streamed[0, index][0], kept[index]) for index in range(len(clips)))
    assert source.reads == before + 1 + len(clips)


def test_planned_windows_show_a_neighbour_for_an_invalid_frame() -> None:
    source = Source(1)
    clips = TrainingClips(source, ["r00"], 0, None)  # type: ignore[arg-type]
    planned = source.windows("r00")
    assert len(clips) == len(planned) == 4
    shown = clips[0, 1][0]  # frames 2-5, of which 5 is invalid
    assert np.array_equal(shown, source.crops["r00"][[2, 3, 4, 4]])


def test_an_epoch_asks_for_every_item_once_in_its_own_order() -> None:
    sampler = EpochSampler(20, seed=1)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        items = list(sampler)
        assert {e for e, _ in items} == {epoch}
        orders.append([index for _, index in items])
    assert sorted(orders[0]) == list(range(20))
    assert orders[0] == orders[2] != orders[1]


def test_batches_are_whole_and_standardised() -> None:
    source = Source(3)
    clips = TrainingClips(source, ["r00", "r01", "r02"], 0, AugmentSettings())  # type: ignore[arg-type]
    batches = list(training_batches(clips, 5, 0))
    assert [tuple(inputs.shape) for inputs, _ in batches] == [(5, 3, 4, 8, 8)] * 2
    assert all(inputs.dtype == torch.float32 and inputs.min() >= 0 and inputs.max() <= 1 for inputs, _ in batches)
    assert [len(labels) for _, labels in training_batches(clips, 50, 0)] == [12]


# --- schedule


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5, 10, 100])
@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_schedules_run_for_any_number_of_steps(steps: int, schedule: Any, optimizer: Any) -> None:
    settings = TrainingSettings(schedule=schedule, optimizer=optimizer, learning_rate=0.5)
    weight = nn.Parameter(torch.ones(1))
    chosen = make_optimizer([weight], settings)
    moving = make_schedule(chosen, settings, steps)
    rates = []
    for _ in range(steps):
        rates.append(chosen.param_groups[0]["lr"])
        weight.grad = torch.ones(1)
        chosen.step()
        moving.step()
    assert max(rates) == pytest.approx(0.5, rel=0.02)
    if schedule == "constant":
        assert min(rates) == 0.5
    elif steps >= 10:
        assert rates[-1] < 0.05
        peak = round(0.2 * steps) - 1 if schedule == "one_cycle" else 0
        assert rates.index(max(rates)) == peak
    if optimizer == "sgd":
        assert chosen.param_groups[0]["momentum"] == 0.9


# --- training


def test_it_learns_the_slope_and_predicts_unseen_participants(tmp_path: Path) -> None:
    source = Source(24)
    config = _config(net=Net(dropout=0), epochs=30, learning_rate=0.02)
    result = _train(config, source, _splits(source, test=6), tmp_path)
    assert list(result.history.columns) == ["epoch", "step", "train_loss", "validation_loss", "learning_rate"]
    assert result.history["epoch"].tolist() == list(range(30))
    assert result.history["step"].tolist() == [9 * epoch for epoch in range(1, 31)]
    assert result.history["validation_loss"].isna().all()
    assert result.best_epoch == 29
    assert result.history["train_loss"].iloc[-1] < 0.2 * result.history["train_loss"].iloc[0]
    assert not result.module.training
    checkpoint = SimpleNamespace(module=result.module, objective=config.objective, scale=result.scale)
    table = predict(checkpoint, source, "cpu", QuietProgress(), recordings=["r00", "r01", "r02", "r03", "r04", "r05"])  # type: ignore[arg-type]
    assert tuple(table.columns) == PREDICTION_COLUMNS
    assert len(table) == 6 * 4
    assert table["valid_fraction"].tolist() == [1, 0.75, 0.75, 1] * 6
    assert set(table["split"]) == {"out_of_distribution"}  # the source's recordings have none
    assert table[["start_s", "end_s"]].iloc[1].tolist() == pytest.approx([2 / 25, 5 / 25])
    people = table.groupby("recording")[["label", "prediction"]].mean()
    assert np.corrcoef(people["label"], people["prediction"])[0, 1] > 0.95


@pytest.mark.parametrize("interrupted_after", [0, 2])
@pytest.mark.parametrize("settings", [{}, {"optimizer": "sgd", "schedule": "cosine"}])
def test_a_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, interrupted_after: int, settings: dict[str, Any]
) -> None:
    source, config = Source(10), _config(**settings)
    splits = _splits(source, validation=2)
    whole = _train(config, source, splits, tmp_path / "whole")
    with pytest.raises(OSError, match="pulled the plug"):
        _train(config, source, splits, tmp_path / "again", [_stop_after(interrupted_after, OSError("pulled the plug"))])
    torch.manual_seed(99)  # the global state must not matter
    resumed = _train(config, source, splits, tmp_path / "again")
    assert _same_weights(whole.module, resumed.module)
    assert whole.best_epoch == resumed.best_epoch
    assert whole.history.equals(resumed.history)


def test_a_finished_training_is_taken_up_as_it_is(tmp_path: Path) -> None:
    source, config = Source(8), _config()
    first = _train(config, source, _splits(source), tmp_path)
    again = _train(config, source, _splits(source), tmp_path, [_stop_after(-1, OSError("it trained again"))])
    assert _same_weights(first.module, again.module)
    assert first.history.equals(again.history)


def test_a_damaged_state_is_noticed_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source, config = Source(8), _config()
    first = _train(config, source, _splits(source), tmp_path)
    (state,) = tmp_path.iterdir()
    state.write_bytes(state.read_bytes()[:500])
    with caplog.at_level(logging.WARNING):
        again = _train(config, source, _splits(source), tmp_path)
    assert "training starts again" in caplog.text
    assert _same_weights(first.module, again.module)


def test_the_state_on_disk_is_no_pickle_of_code(tmp_path: Path) -> None:
    source = Source(8)
    _train(_config(), source, _splits(source, validation=2), tmp_path)
    (state,) = tmp_path.iterdir()
    assert torch.load(state, weights_only=True)["epoch"] == 3


def test_the_weights_of_the_best_epoch_are_kept_and_patience_stops(tmp_path: Path) -> None:
    source = Source(10)
    splits = _splits(source, validation=3)
    # A rate that overshoots makes the validation loss rise again.
    config = _config(epochs=40, patience=2, learning_rate=0.3, schedule="constant")
    result = _train(config, source, splits, tmp_path)
    losses = result.history["validation_loss"]
    assert len(losses) < 40
    assert result.best_epoch == losses.idxmin() == len(losses) - 1 - 2
    shorter = _train(
        _config(epochs=result.best_epoch + 1, learning_rate=0.3, schedule="constant"), source, splits, tmp_path / "b"
    )
    assert _same_weights(result.module, shorter.module)
    again = _train(config, source, splits, tmp_path, [_stop_after(-1, OSError("it trained again"))])
    assert again.history.equals(result.history)
    assert _same_weights(result.module, again.module)


def test_control_c_comes_through_and_training_goes_on_afterwards(tmp_path: Path) -> None:
    source, config = Source(8), _config()
    with pytest.raises(KeyboardInterrupt):
        _train(config, source, _splits(source), tmp_path, [_stop_after(1, KeyboardInterrupt())])
    resumed = _train(config, source, _splits(source), tmp_path)
    assert resumed.history["epoch"].tolist() == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_exit_is_left_alone() -> None:
    with pytest.raises(SystemExit, match="3"), interruptible():
        raise SystemExit(3)


def test_it_is_quiet_and_leaves_the_process_as_it_was(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(8)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    state, filters = random.getstate(), warnings.filters.copy()
    with caplog.at_level(logging.INFO):
        _train(_config(), source, _splits(source, validation=2), tmp_path)
    assert torch.equal(torch.rand(3), expected)
    assert random.getstate() == state
    assert warnings.filters == filters
    assert "".join(capfd.readouterr()) == ""
    assert caplog.text == ""


def test_progress_counts_all_steps_after_an_interruption(tmp_path: Path) -> None:
    counted: list[float] = []

    class Bar:
        def task(self, label: str, total: float | None, unit: str = "") -> Any:
            assert (label, total, unit) == ("training", 16, "steps")
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *exc: object) -> None:
            return None

        def advance(self, amount: float = 1) -> None:
            counted.append(amount)

    source, config = Source(8), _config()
    with pytest.raises(OSError, match="pulled the plug"):
        _train(config, source, _splits(source), tmp_path, [_stop_after(1, OSError("pulled the plug"))])
    train(config, source, _splits(source), tmp_path, Bar(), "cpu")  # type: ignore[arg-type]
    assert counted == [8] + [1] * 8


def test_a_loss_that_is_not_finite_is_an_error_with_advice(tmp_path: Path) -> None:
    source = Source(8)
    with pytest.raises(ModelError, match=r"loss became nan in epoch 0, step 0.*learning_rate"):
        _train(_config(objective=Score(explode=True)), source, _splits(source), tmp_path)


def test_outputs_that_do_not_fit_the_objective(tmp_path: Path) -> None:
    source = Source(8)
    with pytest.raises(ModelError, match=r"shape \(8, 2\) for 8 clips; .* needs \(8, 1\)"):
        _train(_config(net=Net(outputs_off_by=1)), source, _splits(source), tmp_path)


def test_a_network_without_weights(tmp_path: Path) -> None:
    source = Source(4)
    clips = TrainingClips(source, ["r00"], 0, None)  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="no weights to train"):
        fit(
            nn.Flatten(),
            Score(),
            LabelScale(),
            TrainingSettings(epochs=1),
            (training_batches(clips, 2, 0), None),
            seed=0,
            scratch=tmp_path,
            device="cpu",
            progress=QuietProgress(),
        )


def test_errors_before_training(tmp_path: Path) -> None:
    source = Source(4)
    with pytest.raises(ConfigError, match="no participant validates"):
        _train(_config(patience=3), source, _splits(source), tmp_path)
    with pytest.raises(DataError, match="No recording is left"):
        _train(_config(), source, _splits(source, test=4), tmp_path)
    with pytest.raises(DataError, match="r00: A recording without a label"):
        _train(_config(), Source(4, labelled=False), _splits(source), tmp_path)
    with pytest.raises(ModelError, match="16-bit"):
        _train(_config(precision="16-mixed"), source, _splits(source), tmp_path)
    with pytest.raises(ConfigError, match="There is no device 'tpu'"):
        train(_config(), source, _splits(source), tmp_path, QuietProgress(), "tpu")  # type: ignore[arg-type]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there() -> None:
    assert resolve_device("auto") == "cpu"
    with pytest.raises(ConfigError, match="no CUDA device"):
        resolve_device("cuda")


def test_bf16_trains_on_a_cpu(tmp_path: Path) -> None:
    source = Source(8)
    result = _train(_config(epochs=1, precision="bf16-mixed"), source, _splits(source), tmp_path)
    assert all(value.dtype in {torch.float32, torch.int64} for value in result.module.state_dict().values())


def test_a_prediction_that_is_not_finite_is_an_error() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(3 * 4 * 8 * 8, 1))
    nn.init.constant_(module[1].bias, float("nan"))
    checkpoint = SimpleNamespace(module=module, objective=Score(), scale=LabelScale())
    with pytest.raises(ModelError, match="recording r00, window 0"):
        predict(checkpoint, Source(2), "cpu", QuietProgress())  # type: ignore[arg-type]


def test_seeding_is_undone_after_an_error() -> None:
    before = torch.get_rng_state(), random.getstate()
    with pytest.raises(OSError), seeded(4):  # noqa: PT011
        raise OSError
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]
