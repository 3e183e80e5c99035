"""A configuration file becomes components; what is wrong with it is said with line, key and nearest name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from mien.config import RunConfig, dump
from mien.config.check import misfits, require_fit
from mien.config.loading import load_config, load_document, parse_config
from mien.errors import ConfigError, PluginError
from mien.registry import load_registry

VALID = """\
seed: 3
dataset: {use: animated_face, participants: 8}
detector:
  use: mediapipe
  min_confidence: 0.7
cropper: face
backbone: compact_r3d
objective: {use: regression, name: AU12}
training: {epochs: 2, learning_rate: 1e-3}
explain:
  methods:
    ig: integrated_gradients
    sal: {use: saliency}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(VALID)
    return path


def changed(file: Path, old: str, new: str) -> Path:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    return file


def refusal(file: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(file, overrides)
    return str(caught.value)


class TestValid:
    def test_gives_components_with_their_fields(self, file: Path) -> None:
        config = load_config(file)
        assert config.seed == 3
        assert config.detector.use == "mediapipe"
        assert config.detector.min_confidence == 0.7
        assert config.cropper.use == "face"
        assert list(config.explain.methods) == ["ig", "sal"]
        assert config.training.learning_rate == 1e-3

    def test_bare_id_equals_use_without_fields(self, file: Path) -> None:
        bare = load_config(file).cropper
        assert load_config(file, ["cropper={use: face}"]).cropper == bare

    def test_dump_reads_back_equal(self, file: Path) -> None:
        config = load_config(file)
        again = RunConfig.model_validate(dump(config), context={"registry": load_registry(), "base": None})
        assert dump(again) == dump(config)
        assert again == config

    def test_survives_a_byte_order_mark_and_anchors(self, file: Path) -> None:
        file.write_text("\ufeff" + VALID + "    more: &a {use: saliency}\n    again: {<<: *a, tolerance: 0.1}\n")
        assert load_config(file).explain.methods["again"].model_dump()["tolerance"] == 0.1

    def test_relative_paths_are_relative_to_the_file(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        changed(file, "use: mediapipe\n", "use: mediapipe\n  model: weights/face.task\n")
        monkeypatch.chdir(file.parent)
        config = load_config(file.name)
        assert config.detector.model_dump()["model"] == file.parent / "weights" / "face.task"


class TestOverrides:
    @pytest.mark.parametrize(
        ("override", "read"),
        [
            ("seed=9", lambda c: c.seed == 9),
            ("training.epochs=7", lambda c: c.training.epochs == 7 and c.training.learning_rate == 1e-3),
            ("windows.frames=8", lambda c: c.windows.frames == 8),  # a section that the file leaves out
            ("explain.methods.ig.steps=24", lambda c: c.explain.methods["ig"].steps == 24),  # a bare id in the file
            ("explain.methods.new=saliency", lambda c: c.explain.methods["new"].use == "saliency"),
            ("detector=mediapipe", lambda c: c.detector.min_confidence == 0.5),  # replaces the whole part
            ("detector.min_confidence=0.9", lambda c: c.detector.min_confidence == 0.9),
            ("dataset.label={AU04: 1, AU12: 2}", lambda c: dict(c.dataset.label) == {"AU04": 1, "AU12": 2}),
            ("windows.rate=null", lambda c: c.windows.rate is None),
        ],
    )
    def test_changes_what_it_names(self, file: Path, override: str, read: object) -> None:
        assert callable(read)
        assert read(load_config(file, [override]))

    def test_later_one_wins(self, file: Path) -> None:
        assert load_config(file, ["seed=4", "seed=5"]).seed == 5

    def test_changes_an_entry_of_a_list(self, file: Path) -> None:
        file.write_text(VALID + "out_of_distribution: {videos: [a.mp4, b.mp4]}\n")
        config = load_config(file, ["out_of_distribution.videos.1=c.mp4"])
        assert config.out_of_distribution.videos == tuple(str(file.parent / name) for name in ("a.mp4", "c.mp4"))

    def test_does_not_touch_the_file(self, file: Path) -> None:
        load_document(file, ["seed=9"])
        assert file.read_text() == VALID

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("seed", "has the form key.key=value"),
            ("=3", "has the form key.key=value"),
            ("training..epochs=3", "has the form key.key=value"),
            ("seed.deeper=3", "'seed' is 3, not a section"),
            ("seed=[1", "is not valid YAML"),
            ("trainign.epochs=3", "'trainign' is not a known key. Did you mean 'training'?"),
            ("training.epoch=3", "'epoch' is not a known key. Did you mean 'epochs'?"),
        ],
    )
    def test_says_what_is_wrong_with_one(self, file: Path, override: str, said: str) -> None:
        message = refusal(file, override)
        assert said in message
        assert f"--set {override}" in message


class TestWrongFiles:
    def test_absent(self, tmp_path: Path) -> None:
        assert "does not exist" in refusal(tmp_path / "none.yaml")

    def test_folder(self, tmp_path: Path) -> None:
        assert "cannot be read" in refusal(tmp_path)

    @pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
    def test_closed(self, file: Path) -> None:
        file.chmod(0)
        assert "cannot be read" in refusal(file)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"", "is empty"),
            (b"# nothing\n", "is empty"),
            (b"- a\n- b\n", "mapping of keys"),
            (b"\xff\xfe\x00", "not UTF-8"),
            (b"a: [1\nb: 2\n", "line 2"),
            (b"a: !!python/object/apply:os.system ['true']\n", "Not valid YAML"),
            (b"a: 2024-13-45\n", "Not valid YAML"),
            (b"a: 1\nb: 2\na: 3\n", "Line 3: the key 'a' is already given on line 1."),
            (b"a:\n  x: 1\n  x: 2\n", "Line 3: the key 'x' is already given on line 2."),
            (b"no: 1\n", "Line 1: the key no is not text; put it in quotes."),
            (b"a: &x\n  b: *x\n", "refers to itself"),
            (b"a: 1\n---\nb: 2\n", "Not valid YAML"),
        ],
    )
    def test_content(self, tmp_path: Path, content: bytes, said: str) -> None:
        path = tmp_path / "wrong.yaml"
        path.write_bytes(content)
        message = refusal(path)
        assert said in message
        assert "wrong.yaml" in message


class TestWrongKeys:
    @pytest.mark.parametrize(
        ("old", "new", "place", "said"),
        [
            ("seed: 3", "sed: 3", "line 1, sed", "Did you mean 'seed'?"),
            ("use: mediapipe", "use: mediapip", "line 3, detector", "Did you mean 'mediapipe'?"),
            ("cropper: face", "cropper: fase", "line 6, cropper", "Did you mean 'face'?"),
            ("min_confidence", "min_confidense", "line 5, detector.min_confidense", "Did you mean 'min_confidence'?"),
            (
                "min_confidence: 0.7",
                "min_confidence: 7",
                "line 5, detector.min_confidence",
                "less than or equal to 1, not 7",
            ),
            ("epochs: 2", "epochs: many", "line 9, training.epochs", "must be a valid integer, not 'many'"),
            (
                "epochs: 2",
                "optimizer: adam",
                "line 9, training.optimizer",
                "allowed: adamw, sgd. Did you mean 'adamw'?",
            ),
            ("  use: mediapipe\n", "", "line 3, detector", "'use' is missing"),
            (
                "{use: saliency}",
                "{use: saliency, tol: 1}",
                "line 13, explain.methods.sal.tol",
                "'tol' is not a known key",
            ),
            ("{use: saliency}", "7", "line 13, explain.methods.sal", "expected 'use: <attribution>'"),
            ("cropper: face\n", "", "cropper", "'cropper' is missing"),
            ("{epochs: 2, learning_rate: 1e-3}", "2", "line 9, training", "must be a mapping of keys to values, not 2"),
        ],
    )
    def test_says_line_key_and_remedy(self, file: Path, old: str, new: str, place: str, said: str) -> None:
        message = refusal(changed(file, old, new))
        assert place in message
        assert said in message
        assert "study.yaml" in message

    def test_lists_a_pattern_of_alternatives(self, file: Path) -> None:
        message = refusal(file, "explain.split=tets")
        assert "allowed: train, validation, test, all. Did you mean 'test'?" in message

    def test_lists_all_at_once(self, file: Path) -> None:
        changed(file, "seed: 3", "sed: 3")
        changed(file, "epochs: 2", "epochs: 0")
        message = refusal(file, "cropper.mode=bocks")
        assert message.startswith(f"{file}: 3 problems:")
        lines = message.splitlines()[1:]
        assert len(lines) == 3
        assert any("line 1, sed" in line for line in lines)
        assert any("line 9, training.epochs" in line for line in lines)
        assert any("--set cropper.mode=bocks, cropper.mode" in line and "aligned, box" in line for line in lines)

    def test_one_problem_has_place_message_and_hint_apart(self, file: Path) -> None:
        with pytest.raises(ConfigError) as caught:
            load_config(changed(file, "seed: 3", "sed: 3"))
        assert caught.value.where == f"{file}, line 1, sed"
        assert caught.value.message == "'sed' is not a known key."
        assert caught.value.hint == "Did you mean 'seed'?"


class TestFit:
    def test_nothing_to_say_of_a_fitting_one(self, file: Path) -> None:
        registry = load_registry()
        assert misfits(load_config(file), registry) == []

    def test_names_what_is_not_installed(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        registry = load_registry()
        config = load_config(file)
        monkeypatch.setattr("mien.registry.registry._installed", lambda module: module != "mediapipe")
        (problem,) = misfits(config, registry)
        assert problem.key == "detector"
        assert "needs mediapipe, which is not installed" in problem.message
        assert "mien[mediapipe]" in problem.hint

    def test_names_methods_that_the_network_cannot_serve(self, file: Path) -> None:
        document = yaml.safe_load(VALID)
        document["backbone"] = {
            "use": "module",
            "factory": "a.b:c",
            "cannot": {"gradient": "it is not differentiable."},
        }
        file.write_text(yaml.safe_dump(document))
        problems = misfits(load_config(file), load_registry())
        assert [problem.key for problem in problems] == ["explain.methods.ig", "explain.methods.sal"]
        assert "it is not differentiable" in problems[0].message

    def test_refuses_other_layouts(self, file: Path) -> None:
        document = yaml.safe_load(VALID)
        document["backbone"] = {"use": "module", "factory": "a.b:c", "layout": "landmarks"}
        file.write_text(yaml.safe_dump(document))
        (problem,) = misfits(load_config(file), load_registry())
        assert problem.key == "backbone"
        assert "takes landmarks, 'face' gives video" in problem.message

    def test_an_input_that_is_not_described_is_told_with_its_owner(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        config = load_config(file)
        monkeypatch.setattr(type(config.backbone), "input_spec", "video")
        with pytest.raises(PluginError, match=r"backbone '.*' of mien==.*Its input_spec is str"):
            misfits(config, load_registry())

    def test_names_files_that_do_not_exist(self, file: Path) -> None:
        (file.parent / "study.csv").touch()
        changed(file, "{use: animated_face, participants: 8}", "{use: manifest, file: studdy.csv}")
        document = load_document(file)
        registry = load_registry()
        with pytest.raises(ConfigError) as caught:
            require_fit(parse_config(document, registry), registry, document)
        assert caught.value.where == f"{file}, line 2, dataset.file"
        assert "does not exist" in caught.value.message
        assert caught.value.hint == "Did you mean 'study.csv'?"

    @pytest.mark.parametrize(
        ("named", "key", "message", "hint"),
        [
            ({"region": "mout"}, "region", "names the region 'mout'", "Did you mean 'mouth'?"),
            ({"region": "total"}, "region", "names the region 'total'", "Known: background, "),
            ({"region": "mouth", "method": "igg"}, "method", "names the method 'igg'", "Did you mean 'ig'?"),
            ({"region": "mouth", "au": "AU12", "source": "of"}, "source", "names the source 'of'", "action_units"),
        ],
    )
    def test_an_analyzer_names_what_is_not_there(
        self, file: Path, named: dict[str, str], key: str, message: str, hint: str
    ) -> None:
        document = yaml.safe_load(VALID)
        document["action_units"] = {}
        document["analyzers"] = {"st": {"use": "statistics", "confirmatory": [{"region": "nose"}, named]}}
        file.write_text(yaml.safe_dump(document))
        (problem,) = misfits(load_config(file), load_registry())
        assert problem.key == f"analyzers.st.confirmatory.1.{key}"
        assert message in problem.message
        assert hint in str(problem)

    def test_fractions_that_leave_nobody_to_train_on(self, file: Path) -> None:
        document = yaml.safe_load(VALID)
        document["split"] = {"test": 0.5, "validation": 0.5}
        file.write_text(yaml.safe_dump(document))
        (problem,) = misfits(load_config(file), load_registry())
        assert problem.key == "split"
        assert "leave no participant to train on" in problem.message
        document["split"] |= {"scheme": "k_fold"}
        file.write_text(yaml.safe_dump(document))
        assert misfits(load_config(file), load_registry()) == []
