"""What the README and the how-tos tell a reader to type works as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mien.config.check import misfits
from mien.config.loading import load_config
from mien.registry import load_registry

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("page", ["README.md", "docs/howto/own-network.md"])
def test_the_example_of_the_library_runs(page: str) -> None:
    (example,) = (block for block in blocks(page, "python") if "mien.explain(" in block)
    names: dict[str, object] = {}
    exec(example, names)
    result = names["result"]
    sums = result.regions.groupby("region")["signed"].sum()  # type: ignore[attr-defined]
    assert set(sums.index) == {"mouth", "background", "total"}
    assert sums["mouth"] + sums["background"] == pytest.approx(sums["total"], abs=1e-4)
    assert result.relevance.shape == (2, 3, 16, 112, 112)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", ["README.md", "docs/howto/own-data.md"])
def test_the_configuration_for_own_data_is_valid(page: str, tmp_path: Path) -> None:
    (example,) = (block for block in blocks(page, "yaml") if "dataset:" in block and "explain:" in block)
    (tmp_path / "study.csv").write_text("participant,video,score\n")
    (tmp_path / "study.yaml").write_text(example)
    assert misfits(load_config(tmp_path / "study.yaml"), load_registry()) == []
