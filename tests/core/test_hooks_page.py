"""The code of the page on hooks is that of the example, which a test runs."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "plugins" / "mien-hello"
BLOCKS = re.findall(r"^```(python|toml)\n(.*?)^```", (ROOT / "docs/howto/hooks.md").read_text("utf-8"), re.M | re.S)


def test_each_door_is_shown():
    text = "".join(code for _, code in BLOCKS)
    for door in ("mien_run_started", "mien_trained", "mien_commands", "mien_report_section", "LandmarkScheme("):
        assert door in text


@pytest.mark.parametrize(("language", "code"), BLOCKS, ids=range(len(BLOCKS)))
def test_the_code_stands_in_the_example(language, code):
    files = [EXAMPLE / "pyproject.toml"] if language == "toml" else sorted((EXAMPLE / "src").rglob("*.py"))
    assert any(code.rstrip("\n") in file.read_text("utf-8") for file in files), code


def test_the_version_policy_names_the_version_that_mien_has():
    from mien import API_VERSION

    assert f'MIEN_API = "{API_VERSION}"' in (ROOT / "docs/concepts/api-policy.md").read_text("utf-8")
