"""Every configuration that is shipped is valid, so that what the documents name can be run."""

from pathlib import Path

import pytest

from mien.config.loading import load_config
from mien.registry import load_registry

ROOT = Path(__file__).parents[2]
SHIPPED = sorted([*ROOT.glob("examples/*.yaml"), *ROOT.glob("plugins/mien_plugins/configs/*.yaml")])


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_it_is_valid(path):
    config = load_config(path, registry=load_registry())
    assert config.explain.methods


def test_the_demo_and_an_example_are_shipped():
    assert {"demo.yaml", "own_data.yaml"} <= {path.name for path in SHIPPED}
