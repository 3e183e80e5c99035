"""Guarantees: a training begins with exactly the weights of the checkpoint, and what does not fit is named."""

from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from mien.config.settings import PoolingSettings, TrainingSettings
from mien.errors import ConfigError, ModelError
from mien.interfaces import Cropper, Detector, LabelScale
from mien.progress import QuietProgress
from mien.steps import start as start_module
from mien.steps.context import RunContext
from mien.steps.start import check_start, starting_checkpoint
from mien.steps.train import train, training_identity, weights_before
from mien.testing.training import WINDOWS, SlopeClips, SlopeNetwork, SlopeScore
from mien.training.checkpoint import ABOUT_FILE, WEIGHTS_FILE, save_checkpoint
from mien.training.start import initial_network
from mien.types import InputSpec, Recording


class _Eyes(Detector):
    @property
    def scheme(self) -> str:
        return "dots"

    def open(self, device):
        return nullcontext()


class _Cut(Cropper):
    def crop(self, frames, track, scheme):
        raise NotImplementedError

    def regions(self, landmarks, transforms, scheme, shape="hull", padding=0.25):
        raise NotImplementedError


class OtherNetwork(SlopeNetwork):
    """Another backbone of the same architecture."""


class FixedNetwork(SlopeNetwork):
    """Standardises its clips in a configurable way, and must not build: that would fetch weights."""

    standardise: str = "clip"

    def build(self, outputs: int) -> nn.Module:
        raise AssertionError("pretrained weights were asked for")

    def architecture(self, outputs: int) -> nn.Module:
        return super().build(outputs)

    @property
    def input_spec(self) -> InputSpec:
        return InputSpec(frames=4, height=8, width=8, standardise=self.standardise)  # type: ignore[arg-type]


def _config(net: Any = None, size: int = 8, **training: Any) -> Any:
    return SimpleNamespace(
        seed=3,
        backbone=net or SlopeNetwork(),
        objective=SlopeScore(),
        detector=_Eyes(),
        cropper=_Cut(height=size, width=size),
        windows=WINDOWS,
        pooling=PoolingSettings(),
        training=TrainingSettings(epochs=1, **training),
    )


def _network(net: SlopeNetwork | None = None, seed: int = 11) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return SlopeNetwork.build(net or SlopeNetwork(), 1)


def _saved(folder: Path, net: SlopeNetwork | None = None, **config: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    network = _network(net)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network(torch.randn(8, 3, 4, 8, 8))  # moves the running statistics
    save_checkpoint(folder, _config(net, **config), network.eval(), LabelScale(mean=4, std=2))
    return folder, network.state_dict()


def _begin(config: Any, folder: Path, seed: int = 5) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return initial_network(config, folder).state_dict()


def test_it_begins_with_all_weights_and_statistics_but_the_head(tmp_path: Path) -> None:
    folder, saved = _saved(tmp_path / "checkpoint")
    begun, fresh = _begin(_config(), folder), _network(seed=5).state_dict()
    assert begun.keys() == saved.keys()
    for name, value in begun.items():
        own = fresh if name.startswith("head.") else saved
        assert torch.equal(value, own[name]), name
    assert not torch.equal(begun["stem.0.weight"], fresh["stem.0.weight"])
    assert not torch.equal(begun["tail.running_mean"], fresh["tail.running_mean"])
    assert not torch.equal(begun["head.weight"], saved["head.weight"])
    assert torch.equal(_begin(_config(), folder)["head.weight"], begun["head.weight"])


def test_the_head_can_be_kept(tmp_path: Path) -> None:
    folder, saved = _saved(tmp_path / "checkpoint")
    begun = _begin(_config(start_head="keep"), folder)
    assert all(torch.equal(value, saved[name]) for name, value in begun.items())


def test_a_training_starts_there_and_resumes_exactly(tmp_path: Path) -> None:
    from lightning.pytorch import Callback

    folder, saved = _saved(tmp_path / "checkpoint")
    source, first = SlopeClips(8), {}

    class Watch(Callback):
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            first.update({name: value.clone() for name, value in pl_module.network.state_dict().items()})

    class Fail(Callback):
        def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
            if trainer.current_epoch == 1:
                raise OSError("pulled the plug")

    config = _config(start_from=folder, unfreeze_every=1)
    config.training = config.training.model_copy(update={"epochs": 3})

    def run(name: str, *callbacks: Any) -> Any:
        return train(config, source, source.splits(), tmp_path / name, QuietProgress(), "cpu", callbacks, folder)  # type: ignore[arg-type]

    whole = run("whole", Watch())
    assert torch.equal(first["stem.0.weight"], saved["stem.0.weight"])
    with pytest.raises(OSError, match="pulled the plug"):
        run("again", Fail())
    resumed = run("again")
    assert all(torch.equal(v, resumed.module.state_dict()[n]) for n, v in whole.module.state_dict().items())
    with pytest.raises(ValueError, match="starting_checkpoint"):
        train(config, source, source.splits(), tmp_path / "none", QuietProgress(), "cpu")  # type: ignore[arg-type]


def test_pretrained_weights_are_neither_fetched_nor_named(tmp_path: Path) -> None:
    folder, saved = _saved(tmp_path / "checkpoint", FixedNetwork())
    assert torch.equal(_begin(_config(FixedNetwork()), folder)["stem.0.weight"], saved["stem.0.weight"])
    sha256 = json.loads((folder / ABOUT_FILE).read_text())["sha256"]
    assert weights_before(_config(FixedNetwork()), folder) == {"network.start": sha256}


def test_its_content_and_not_its_path_decides_the_key(tmp_path: Path) -> None:
    folder, _ = _saved(tmp_path / "one")
    again, _ = _saved(tmp_path / "two")
    other = tmp_path / "three"
    save_checkpoint(other, _config(), _network(seed=12), LabelScale())
    keys = [training_identity(TrainingSettings(start_from=path), path) for path in (folder, again, other)]
    assert keys[0] == keys[1] != keys[2]
    assert training_identity(TrainingSettings()) not in keys


# --- what does not fit


@pytest.mark.parametrize(
    ("net", "size", "message"),
    [
        (OtherNetwork(), 8, "backbone is 'OtherNetwork' here and 'SlopeNetwork' there."),
        (SlopeNetwork(), 16, "cropper.height is 16 here and 8 there; cropper.width is 16 here and 8 there."),
        (SlopeNetwork(width=6), 8, r"another architecture: 'stem.0.weight' is \(6, .* backbone.width is 6 here and 4"),
    ],
)
def test_another_backbone_crop_size_or_architecture_is_named(
    tmp_path: Path, net: SlopeNetwork, size: int, message: str
) -> None:
    folder, _ = _saved(tmp_path / "checkpoint")
    with pytest.raises(ModelError, match=message) as caught:
        initial_network(_config(net, size), folder)
    assert str(folder) in str(caught.value)
    assert "training.start_from" in str(caught.value)


def test_another_standardisation_is_named(tmp_path: Path) -> None:
    folder, _ = _saved(tmp_path / "checkpoint", FixedNetwork(standardise="none"))
    with pytest.raises(ModelError, match=r"input.standardise is 'clip' here and 'none' there"):
        initial_network(_config(FixedNetwork()), folder)


def test_another_number_of_outputs_needs_a_new_head(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, _config(), SlopeNetwork().build(3), LabelScale())
    assert _begin(_config(), folder)["head.weight"].shape == (1, 16)
    with pytest.raises(ModelError, match=r"'head.weight' is \(1, 16\) in the network and \(3, 16\).*start_head: new"):
        initial_network(_config(start_head="keep"), folder)


def test_a_network_without_stages_has_no_head_to_replace(tmp_path: Path) -> None:
    folder, saved = _saved(tmp_path / "checkpoint", SlopeNetwork(staged=False))
    with pytest.raises(ModelError, match="does not tell its head from the rest"):
        initial_network(_config(SlopeNetwork(staged=False)), folder)
    kept = _begin(_config(SlopeNetwork(staged=False), start_head="keep"), folder)
    assert torch.equal(kept["head.weight"], saved["head.weight"])


def test_damaged_and_missing_files(tmp_path: Path) -> None:
    folder, _ = _saved(tmp_path / "checkpoint")
    weights = folder / WEIGHTS_FILE
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="SHA-256 differs"):
        initial_network(_config(), folder)
    weights.unlink()
    with pytest.raises(ModelError, match=f"has no {WEIGHTS_FILE}"):
        initial_network(_config(), folder)
    with pytest.raises(ModelError, match="There is no checkpoint"):
        initial_network(_config(), tmp_path / "nowhere")


# --- a configuration to train first


class _Run(SimpleNamespace):
    """Stands for a `RunConfig`."""

    def model_copy(self, update: dict[str, Any]) -> _Run:
        return _Run(**{**vars(self), **update})


def _run(scheme: str = "holdout", start_from: Path | None = None, net: Any = None) -> _Run:
    config = vars(_config(net, start_from=start_from))
    return _Run(**config, split=SimpleNamespace(scheme=scheme, test=0.25, validation=0, shared_persons="refuse"))


@pytest.fixture
def configs(monkeypatch: pytest.MonkeyPatch) -> dict[str, _Run]:
    """What the files hold, by name."""
    known: dict[str, _Run] = {}
    monkeypatch.setattr(start_module, "load_config", lambda path, registry: known[path.name])
    monkeypatch.setattr(start_module, "require_fit", lambda *_: None)
    monkeypatch.setattr(start_module, "RunConfig", _Run)
    monkeypatch.setattr(
        start_module,
        "dump",
        lambda config: {"backbone": {"use": config.backbone.use}, "cropper": config.cropper.model_dump()},
    )
    return known


def _context() -> RunContext:
    return RunContext(store=None, registry=None)  # type: ignore[arg-type]


def test_a_folder_is_checked_and_given_back(tmp_path: Path) -> None:
    folder, _ = _saved(tmp_path / "checkpoint")
    assert starting_checkpoint(_config(), _context()) is None
    context = _context()
    assert starting_checkpoint(_config(start_from=folder / WEIGHTS_FILE), context) == folder
    assert context.notes == [
        "mien cannot know on whom the network to start from was trained: held-out participants count as unseen."
    ]
    with pytest.raises(ModelError, match=r"cropper.height is 16 here"):
        starting_checkpoint(_config(start_from=folder, size=16), _context())


def test_configurations_that_start_from_each_other(tmp_path: Path, configs: dict[str, _Run]) -> None:
    configs |= {"a.yaml": _run(start_from=tmp_path / "b.yaml"), "b.yaml": _run(start_from=tmp_path / "a.yaml")}
    with pytest.raises(ConfigError, match=r"start from each other: a.yaml → b.yaml → a.yaml\."):
        check_start(configs["b.yaml"], _context())  # type: ignore[arg-type]
    configs["own.yaml"] = _run(start_from=tmp_path / "own.yaml")
    with pytest.raises(ConfigError, match=r"own.yaml → own.yaml\."):
        check_start(configs["own.yaml"], _context())  # type: ignore[arg-type]


def test_a_configuration_that_does_not_fit(tmp_path: Path, configs: dict[str, _Run]) -> None:
    configs |= {"folds.yaml": _run("k_fold"), "other.yaml": _run(net=OtherNetwork())}
    with pytest.raises(ConfigError, match=r"folds.yaml, split.scheme: It divides its recordings by 'k_fold'"):
        check_start(_run(start_from=tmp_path / "folds.yaml"), _context())  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="backbone is 'SlopeNetwork' here and 'OtherNetwork' there"):
        check_start(_run(start_from=tmp_path / "other.yaml"), _context())  # type: ignore[arg-type]


def test_a_configuration_is_trained_on_its_own_people_and_they_are_remembered(
    tmp_path: Path, configs: dict[str, _Run], monkeypatch: pytest.MonkeyPatch
) -> None:
    configs["first.yaml"] = _run()
    people = [Recording(f"r{number}", f"p{number}", Path("v.mp4"), float(number)) for number in range(8)]
    asked: dict[str, Any] = {}

    def prepare(recordings: Any, config: Any, backbone: Any, context: Any) -> Any:
        asked["action_units"] = config.action_units
        items = [SimpleNamespace(recording=recording) for recording in recordings[1:]]
        return SimpleNamespace(recordings=items, exclusions=["one"]), "clips"

    def train_once(config: Any, source: Any, recordings: Any, context: Any, start: Any) -> Any:
        asked.update(source=source, start=start, recordings=recordings)
        return SimpleNamespace(folder=tmp_path / "trained", notes=["A stage stayed frozen."])

    monkeypatch.setattr(start_module, "labelled_recordings", lambda *_: (people, []))
    monkeypatch.setattr(start_module, "prepare_clips", prepare)
    monkeypatch.setattr(start_module, "train_once", train_once)
    context = _context()
    found = starting_checkpoint(_run(start_from=tmp_path / "first.yaml"), context)  # type: ignore[arg-type]
    assert found == tmp_path / "trained"
    assert asked["action_units"] == {}
    assert asked["start"] is None
    assert len(asked["recordings"]) == 5  # of eight, two are held out and one was set aside
    assert context.people_before == {recording.participant for recording in asked["recordings"]}
    assert context.videos_before == {Path("v.mp4").resolve()}
    assert context.notes == [
        "The network to start from, first.yaml: A stage stayed frozen.",
        "The network to start from, first.yaml: 1 recording was set aside.",
    ]
