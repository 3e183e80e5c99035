"""Guarantees: each option of the training does what it says, changes nothing else, and resumes exactly."""

from __future__ import annotations

import importlib.util
import logging
import math
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from pydantic import ValidationError
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts

from mien.config.settings import AugmentSettings, TrainingSettings
from mien.errors import ConfigError, DataError, ModelError, PluginError
from mien.progress import QuietProgress
from mien.steps.train import _fit, train, training_identity
from mien.testing.training import SlopeClips, SlopeNetwork, SlopeScore
from mien.training.balance import BandSampler, clip_bands
from mien.training.data import EpochSampler, TrainingClips, fixed_batches, training_batches
from mien.training.devices import require_devices
from mien.training.distributed import train_together
from mien.training.logs import publish_logs, require_logger
from mien.training.module import make_optimizer, make_schedule
from mien.training.thaw import REST, Thawing, thaw_order

CHANGES = AugmentSettings(shift=1, jitter=0.1, rotate=10, zoom=0.1)
ALL = {
    "schedule": "cosine_restarts",
    "restart_epochs": 1,
    "restart_factor": 2,
    "unfreeze_every": 1,
    "label_noise": 1.5,
    "balance": "bands",
    "logger": "csv",
    "augment": CHANGES,
}


def _config(seed: int = 1, net: Any = None, objective: Any = None, **training: Any) -> Any:
    fields = {"epochs": 5, "augment": AugmentSettings(shift=1, jitter=0), **training}
    return SimpleNamespace(
        seed=seed,
        backbone=net or SlopeNetwork(),
        objective=objective or SlopeScore(),
        cropper=SlopeClips.cropper,
        training=TrainingSettings(**fields),
    )


def _train(config: Any, scratch: Path, source: Any = None, validation: int = 0, **options: Any) -> Any:
    source = source or SlopeClips(10)
    return train(config, source, source.splits(validation), scratch, QuietProgress(), "cpu", **options)


def _same_weights(one: nn.Module, other: nn.Module) -> bool:
    state = other.state_dict()
    return all(torch.equal(value, state[name]) for name, value in one.state_dict().items())


def _clips(source: SlopeClips, **options: Any) -> TrainingClips:
    ids = [recording.id for recording in source.recordings]
    return TrainingClips(source, ids, 3, AugmentSettings(), **options)  # type: ignore[arg-type]


def _fail_in(epoch: int) -> Any:
    from lightning.pytorch import Callback

    class Fail(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.current_epoch == epoch:
                raise OSError("pulled the plug")

    return Fail()


# --- resuming


@pytest.mark.parametrize("interrupted_in", [1, 2, 4])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_with_all_options_a_resumed_training_equals_an_uninterrupted_one(
    tmp_path: Path, interrupted_in: int, optimizer: str
) -> None:
    config = _config(optimizer=optimizer, **ALL)
    whole = _train(config, tmp_path / "whole", validation=2)
    with pytest.raises(OSError, match="pulled the plug"):
        _train(config, tmp_path / "again", validation=2, callbacks=[_fail_in(interrupted_in)])
    torch.manual_seed(99)  # the global state must not matter
    resumed = _train(config, tmp_path / "again", validation=2)
    assert _same_weights(whole.module, resumed.module)
    assert whole.history.equals(resumed.history)
    assert whole.steps.equals(resumed.steps)
    assert whole.notes == resumed.notes


@pytest.mark.parametrize("name", ["schedule", "unfreeze_every", "label_noise", "balance", "augment"])
def test_each_of_them_changes_the_training(tmp_path: Path, name: str) -> None:
    plain = _train(_config(epochs=2), tmp_path / "plain")
    changed = _train(_config(epochs=2, **{name: ALL[name]}), tmp_path / "changed")
    assert not _same_weights(plain.module, changed.module)


# --- schedule


@pytest.mark.parametrize(("first", "factor", "per_epoch"), [(1, 1, 3), (2, 2, 5), (1, 3, 4), (10, 2, 1)])
def test_warm_restarts_follow_the_closed_form(first: int, factor: int, per_epoch: int) -> None:
    epochs = 12
    settings = TrainingSettings(
        schedule="cosine_restarts", restart_epochs=first, restart_factor=factor, epochs=epochs, learning_rate=0.5
    )
    weight = nn.Parameter(torch.ones(1))
    optimizer = make_optimizer([weight], settings)
    schedule = make_schedule(optimizer, settings, epochs * per_epoch)
    own, start, length = [], 0, first * per_epoch
    rates = []
    for step in range(epochs * per_epoch):
        if step == start + length:
            start, length = step, length * factor
        own.append(0.25 * (1 + math.cos(math.pi * (step - start) / length)))
        rates.append(optimizer.param_groups[0]["lr"])
        weight.grad = torch.ones(1)
        optimizer.step()
        schedule.step()
    assert rates == pytest.approx(own, abs=1e-12)
    # torch's closed form, asked for each step by itself.
    twin = torch.optim.SGD([nn.Parameter(torch.ones(1))], lr=0.5)
    closed = CosineAnnealingWarmRestarts(twin, first * per_epoch, factor)
    for step, rate in enumerate(rates):
        closed.step(step)
        assert twin.param_groups[0]["lr"] == pytest.approx(rate, abs=1e-9)


def test_the_rate_restarts_within_a_training(tmp_path: Path) -> None:
    result = _train(_config(schedule="cosine_restarts", restart_epochs=2, restart_factor=1, epochs=6), tmp_path)
    first = result.steps.groupby("epoch")["learning_rate"].first()
    assert first[[0, 2, 4]].tolist() == [3e-3] * 3
    assert first[[1, 3, 5]].tolist() == pytest.approx([1.5e-3] * 3)


# --- gradual unfreezing


def test_each_parameter_thaws_with_exactly_one_stage_the_last_first() -> None:
    net = SlopeNetwork()
    model = net.build(1)
    groups = thaw_order(model, net.stages(model))
    assert [group.name for group in groups] == ["head", "mix", "stem", REST]  # 'pool' has nothing to train
    thawed = [id(parameter) for group in groups for parameter in group.parameters]
    assert sorted(thawed) == sorted(id(parameter) for parameter in model.parameters())
    assert [id(p) for p in groups[-1].parameters] == [id(p) for p in model.get_submodule("tail").parameters()]


def test_a_shared_parameter_thaws_with_its_last_stage_and_frozen_ones_stay_the_users() -> None:
    model = nn.ModuleDict({"a": nn.Linear(3, 3), "b": nn.Linear(3, 3), "c": nn.Linear(3, 3)})
    model["a"].weight = model["c"].weight
    model["b"].bias.requires_grad_(False)
    groups = {group.name: list(group.parameters) for group in thaw_order(model, dict(model.items()))}
    assert [len(groups[name]) for name in "abc"] == [1, 1, 2]
    thawing = Thawing(thaw_order(model, dict(model.items())), 1)
    with thawing.restored():
        for group in thawing.groups:
            group.set_frozen(True)
        assert not any(parameter.requires_grad for parameter in model.parameters())
    assert [name for name, p in model.named_parameters() if not p.requires_grad] == ["b.bias"]
    assert all(module.training for module in model.modules())


def test_without_stages_nothing_can_be_thawed_one_by_one(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"training.unfreeze_every: The backbone names no stages"):
        _train(_config(net=SlopeNetwork(staged=False), unfreeze_every=1), tmp_path)


def test_a_frozen_stage_does_not_move_in_weights_or_statistics(tmp_path: Path) -> None:
    from lightning.pytorch import Callback

    frozen_until = {"head": 0, "mix": 2, "stem": 4, "tail": 6}
    seen: dict[int, dict[str, torch.Tensor]] = {}
    modes: dict[int, dict[str, bool]] = {}

    class Watch(Callback):
        def on_train_epoch_start(self, trainer: Any, pl_module: Any) -> None:
            state = pl_module.network.state_dict()
            seen[trainer.current_epoch] = {name: value.clone() for name, value in state.items()}

        def on_train_batch_end(self, trainer: Any, pl_module: Any, *_: Any) -> None:
            modes[trainer.current_epoch] = {name: module.training for name, module in pl_module.network.named_modules()}

    config = _config(epochs=8, unfreeze_every=2, schedule="constant", weight_decay=0.1)
    result = _train(config, tmp_path, validation=2, callbacks=[Watch()])
    assert all(parameter.requires_grad for parameter in result.module.parameters())
    for epoch in range(7):
        moved = {name for name, value in seen[epoch + 1].items() if not torch.equal(value, seen[epoch][name])}
        for stage, until in frozen_until.items():
            own = {name for name in seen[epoch] if name.split(".")[0] == stage}
            # A bias before a batch norm has no gradient, and moves by the weight decay alone.
            assert moved & own == (set() if epoch < until else own), (epoch, stage)
            assert modes[epoch][stage] == (epoch >= until)
        assert modes[epoch]["pool.2"]  # dropout that belongs to no frozen stage


def test_thawing_only_the_head_equals_a_network_whose_other_parts_are_constants(tmp_path: Path) -> None:
    class Constant(SlopeNetwork):
        def build(self, outputs: int) -> nn.Module:
            model = super().build(outputs)
            for name in ("stem", "mix", "tail"):
                model.get_submodule(name).requires_grad_(False).eval()
            return model

    options = {"epochs": 3, "optimizer": "sgd", "schedule": "constant"}
    thawed = _train(_config(unfreeze_every=3, **options), tmp_path / "a")
    constant = _train(_config(net=Constant(), **options), tmp_path / "b")
    assert _same_weights(thawed.module, constant.module)
    assert thawed.steps.equals(constant.steps)


def test_stages_that_never_thaw_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        result = _train(_config(epochs=3, unfreeze_every=2), tmp_path)
    assert result.notes == (f"The training ended after 3 epochs, before these stages were thawed: stem, {REST}.",)
    assert "stem" in caplog.text
    assert _train(_config(epochs=4, unfreeze_every=1), tmp_path / "b").notes == ()


# --- noise on the labels


def test_noise_is_a_function_of_seed_epoch_and_index_and_leaves_the_pixels_alone() -> None:
    source = SlopeClips(6)
    plain, noisy, again = _clips(source), _clips(source, label_noise=1.5), _clips(source, label_noise=1.5)
    asked = [(epoch, index) for epoch in range(40) for index in range(len(noisy))]
    errors = np.array([noisy[item][1] - plain[item][1] for item in asked])
    assert [noisy[item][1] for item in reversed(asked)] == [again[item][1] for item in asked][::-1]
    assert all(np.array_equal(noisy[item][0], plain[item][0]) for item in asked[:30])
    assert noisy.labels == plain.labels == [recording.label for recording in source.recordings]
    # Mean and standard deviation of 960 draws, each within four standard errors.
    assert len(set(errors.tolist())) == len(errors) == 960
    assert abs(errors.mean()) < 4 * 1.5 / math.sqrt(len(errors))
    assert abs(errors.std() - 1.5) < 4 * 1.5 / math.sqrt(2 * len(errors))
    neighbours = np.corrcoef(errors[1:], errors[:-1])[0, 1]
    assert abs(neighbours) < 4 / math.sqrt(len(errors))


def test_classes_take_no_noise(tmp_path: Path) -> None:
    source = SlopeClips(6, labels=[0, 1, 2, 0, 1, 2])
    with pytest.raises(ConfigError, match=r"training.label_noise: The labels .* take no noise: 0.764 is no class"):
        _train(_config(objective=SlopeScore(whole=True), label_noise=1), tmp_path, source)


# --- balance


def test_each_band_is_drawn_equally_often_and_each_clip_nearly_so() -> None:
    bands = np.array([0] * 9 + [1] * 4 + [3] * 2)
    sampler = BandSampler(bands, seed=5)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        items = list(sampler)
        assert len(items) == len(sampler) == 27
        assert len(set(items)) == 27  # a repeated clip is asked for under another number
        drawn = np.array([bands[index] for _, index, _ in items])
        assert Counter(drawn.tolist()) == {0: 9, 1: 9, 3: 9}
        assert all(sorted(turn) == [0, 1, 3] for turn in drawn.reshape(-1, 3).tolist())
        times = Counter(index for _, index, _ in items)
        assert [times[index] for index in range(9)] == [1] * 9
        assert sorted(times[index] for index in range(9, 13)) == [2, 2, 2, 3]
        assert sorted(times[index] for index in range(13, 15)) == [4, 5]
        assert {e for e, _, _ in items} == {epoch}
        orders.append([item[1:] for item in items])
    assert orders[0] == orders[2] != orders[1]
    assert [item[1:] for item in BandSampler(bands, seed=6)] != orders[0]


def test_one_band_is_an_epoch_of_all_clips() -> None:
    assert sorted(index for _, index, _ in BandSampler(np.zeros(7, int), 0)) == list(range(7))


def test_a_repeated_clip_is_changed_otherwise() -> None:
    clips = _clips(SlopeClips(4), label_noise=1.0)
    asked = [(2, 5, number) for number in range(4)]
    pixels, labels = zip(*(clips[item] for item in asked), strict=True)
    assert np.array_equal(pixels[0], clips[2, 5][0])
    assert labels[0] == clips[2, 5][1]
    assert len(set(labels)) == 4
    assert len({values.tobytes() for values in pixels}) == 4


def test_bands_are_those_of_the_objective() -> None:
    labels = [-8.0, -3.0, -3.1, 2.9, 3.0, 8.0]
    assert clip_bands(labels, SlopeScore())[0].tolist() == [0, 1, 0, 1, 2, 2]
    bands, without = clip_bands([-4.0, 4.0], SlopeScore())
    assert bands.tolist() == [0, 2]
    assert without == ["steady"]
    with pytest.raises(DataError, match="label -9 lies below the lowest severity band, which begins at -8"):
        clip_bands([4.0, -9.0], SlopeScore())


def test_a_band_without_clips_is_told_and_an_objective_without_bands_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = SlopeClips(6, labels=[-5, -4, 4, 5, 6, 7])
    with caplog.at_level(logging.WARNING):
        result = _train(_config(epochs=1, balance="bands"), tmp_path, source)
    assert result.notes == ("Balanced training lacks the severity band 'steady': no training clip has such a label.",)
    assert "'steady'" in caplog.text
    assert len(result.steps) == 2 * 4 * 4 // 8  # the four recordings of the larger band, and as many of the other
    with pytest.raises(ConfigError, match=r"training.balance: .* has no severity bands"):
        _train(_config(objective=SlopeScore(bands={}), balance="bands"), tmp_path / "b", source)


def test_validation_is_untouched_and_stops_early(tmp_path: Path) -> None:
    source = SlopeClips(12)
    options = {name: value for name, value in ALL.items() if name not in {"schedule", "unfreeze_every"}}
    config = _config(epochs=40, patience=2, learning_rate=0.3, schedule="constant", **options)
    result = _train(config, tmp_path, source, validation=4)
    losses = result.history["validation_loss"]
    assert result.best_epoch == losses.idxmin() == len(losses) - 1 - 2
    # The loss by hand: the planned windows of each validating recording, once, with their own labels.
    validating = TrainingClips(source, [f"r{i:02d}" for i in range(4)], 0, None)  # type: ignore[arg-type]
    inputs, labels = zip(*fixed_batches(validating, 8), strict=True)
    assert sorted(torch.cat(labels).tolist()) == pytest.approx(
        sorted(r.label for r in source.recordings[:4] for _ in "1234")
    )
    with torch.no_grad():
        output = result.module(torch.cat(inputs))
    expected = config.objective.loss(output, torch.cat(labels), result.scale)
    assert losses[result.best_epoch] == pytest.approx(float(expected), rel=1e-5)


def test_without_balance_an_epoch_is_the_plain_permutation() -> None:
    sampler = EpochSampler(20, seed=4)
    sampler.set_epoch(3)
    assert list(sampler) == [(3, int(i)) for i in np.random.default_rng([4, 3, 0, 1]).permutation(20)]


# --- several devices


def test_devices_share_each_batch() -> None:
    clips = _clips(SlopeClips(5))
    sampler = EpochSampler(len(clips), 3)
    sampler.set_epoch(2)
    whole = [list(batch) for batch in training_batches(clips, 8, 3).batch_sampler]  # type: ignore[union-attr]
    parts = [training_batches(clips, 8, 3, share=(rank, 4)) for rank in range(4)]
    shared = [[list(batch) for batch in part.batch_sampler] for part in parts]  # type: ignore[union-attr]
    assert [len(part) for part in parts] == [2] * 4
    assert [list(chain(*pieces)) for pieces in zip(*shared, strict=True)] == whole


def test_too_few_clips_or_gpus_to_share(monkeypatch: pytest.MonkeyPatch) -> None:
    clips = _clips(SlopeClips(1))
    with pytest.raises(DataError, match="4 training clips do not fill a batch of 8, which 2 devices shall share"):
        training_batches(clips, 8, 0, share=(0, 2))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ConfigError, match=r"training.devices: 4 devices shall train, but torch finds 1 CUDA device\."):
        require_devices("cuda", 4)
    require_devices("cuda", 1)
    require_devices("cpu", 4)
    with pytest.raises(ValidationError, match="a batch of 8 clips cannot be shared equally by 3 devices"):
        TrainingSettings(batch=8, devices=3)


@pytest.mark.slow
def test_two_processes_train_as_one_does(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    # Without batch norm and dropout the mean over two halves of a batch is that over the whole, up to rounding.
    net = SlopeNetwork(norm=False, dropout=0)
    options = {**ALL, "epochs": 2, "optimizer": "sgd", "learning_rate": 0.01}
    counted: list[float] = []

    class Bar:
        def task(self, label: str, total: float | None, unit: str = "") -> Any:
            counted.append(total or 0)
            return self

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *exc: object) -> None:
            return None

        def advance(self, amount: float = 1) -> None:
            counted.append(amount)

    alone = _train(_config(net=net, **options), tmp_path / "alone", validation=2)
    source = SlopeClips(10)
    config = _config(net=net, **options, devices=2)
    two = train(config, source, source.splits(2), tmp_path / "two", Bar(), "cpu")  # type: ignore[arg-type]
    for (name, value), other in zip(alone.module.state_dict().items(), two.module.state_dict().values(), strict=True):
        torch.testing.assert_close(other, value, rtol=1e-4, atol=1e-6, msg=name)
    np.testing.assert_allclose(two.steps, alone.steps, rtol=1e-4)
    np.testing.assert_allclose(two.history, alone.history, rtol=1e-4)
    assert counted == [len(alone.steps)] + [1] * len(alone.steps)
    assert two.notes == alone.notes
    assert "".join(capfd.readouterr()) == ""


@pytest.mark.slow
def test_an_error_of_a_process_is_the_error_of_the_training(tmp_path: Path) -> None:
    source = SlopeClips(4)
    config = _config(net=SlopeNetwork(staged=False), unfreeze_every=1)
    work = partial(_fit, config, source, source.splits(), tmp_path, "cpu", None, (), devices=1)
    with pytest.raises(ModelError, match="The backbone names no stages"):
        train_together(work, 1, "cpu", QuietProgress())


# --- logs


def test_every_step_is_logged_and_the_logger_changes_nothing(tmp_path: Path) -> None:
    plain = _train(_config(epochs=2), tmp_path / "none", validation=2)
    assert list(plain.steps.columns) == ["epoch", "step", "loss", "learning_rate"]
    assert plain.steps["step"].tolist() == list(range(1, 9))
    means = plain.steps.groupby("epoch")["loss"].mean()
    assert means.tolist() == pytest.approx(plain.history["train_loss"].tolist(), rel=1e-5)
    assert plain.steps.groupby("epoch")["learning_rate"].last().tolist() == plain.history["learning_rate"].tolist()
    for name in ("csv", "tensorboard"):
        logged = _train(_config(epochs=2, logger=name), tmp_path / name, validation=2)
        assert _same_weights(plain.module, logged.module)
        assert plain.steps.equals(logged.steps)
        assert training_identity(TrainingSettings(logger=name)) == training_identity(TrainingSettings())


def _scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}


def _expected(table: pd.DataFrame, column: str) -> list[tuple[int, Any]]:
    return [
        (int(step), pytest.approx(value, rel=1e-6)) for step, value in zip(table["step"], table[column], strict=True)
    ]


def test_a_log_is_published_in_the_format_asked_for(tmp_path: Path) -> None:
    from mien.training.logs import save_logs

    result = _train(_config(epochs=2), tmp_path / "scratch")
    save_logs(result.steps, result.history, tmp_path / "saved")
    out = tmp_path / "out"
    publish_logs("csv", tmp_path / "saved", out)
    assert sorted(file.name for file in out.iterdir()) == ["epochs.csv", "steps.csv"]
    pd.testing.assert_frame_equal(pd.read_csv(out / "steps.csv"), result.steps)
    publish_logs("tensorboard", tmp_path / "saved", out)
    assert not list(out.glob("*.csv"))
    found = _scalars(out)
    assert set(found) == {"step/loss", "step/learning_rate", "epoch/train_loss", "epoch/learning_rate"}
    assert found["step/loss"] == _expected(result.steps, "loss")
    assert found["epoch/train_loss"] == _expected(result.history, "train_loss")
    publish_logs("none", tmp_path / "saved", out)
    assert not out.exists()


def test_tensorboard_can_be_watched_also_after_an_interruption(tmp_path: Path) -> None:
    config = _config(epochs=3, logger="tensorboard")
    with pytest.raises(OSError, match="pulled the plug"):
        _train(config, tmp_path, validation=2, callbacks=[_fail_in(2)])
    result = _train(config, tmp_path, validation=2)
    found = _scalars(tmp_path / "tensorboard")
    assert found["step/learning_rate"] == _expected(result.steps, "learning_rate")
    assert found["epoch/validation_loss"] == _expected(result.history, "validation_loss")


def test_a_logger_that_is_not_installed_is_told_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "tensorboard" else known(name, *a)
    )
    with pytest.raises(PluginError, match=r"tensorboard, which is not installed.*mien\[tensorboard\]"):
        _train(_config(logger="tensorboard"), tmp_path)
    assert not list(tmp_path.iterdir())
    require_logger("csv")


def test_a_check_of_the_configuration_names_what_cannot_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mien.config import check

    (tmp_path / "first.yaml").touch()
    config = _config(
        objective=SlopeScore(bands={}), balance="bands", logger="tensorboard", start_from=tmp_path / "frist.yaml"
    )
    monkeypatch.setattr(check.importlib.util, "find_spec", lambda name: None)
    found = {problem.key: str(problem) for problem in check._training(config)}
    assert "pip install 'mien[tensorboard]'" in found["training.logger"]
    assert "frist.yaml does not exist. Did you mean 'first.yaml'?" in found["training.start_from"]
    assert "has no severity bands" in found["training.balance"]
    assert not list(check._training(_config(balance="bands", start_from=tmp_path / "first.yaml")))
