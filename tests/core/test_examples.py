"""Every configuration that is shipped is valid, so that what the documents name can be run."""

import shutil
from pathlib import Path

import pytest

from mien.config.check import misfits
from mien.config.loading import load_config
from mien.registry import load_registry

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("plugins/mien_plugins/configs/*.yaml")])
NO_RUN = "expresso_ai_small_validation.yaml"  # for `mien validate`


@pytest.mark.parametrize("path", [p for p in SHIPPED if p.name != NO_RUN], ids=lambda path: path.name)
def test_it_is_valid(path, tmp_path):
    for data in ("AVEC2014", "OpenFace"):
        (tmp_path / data).mkdir()
    (tmp_path / "videos.csv").touch()
    for file in path.parent.glob("*.yaml"):
        shutil.copy(file, tmp_path)
    registry = load_registry()
    config = load_config(tmp_path / path.name, registry=registry)
    assert config.explain.methods
    assert misfits(config, registry) == []


def test_the_demo_and_an_example_are_shipped():
    assert {"demo.yaml", "own_data.yaml"} <= {path.name for path in SHIPPED}
