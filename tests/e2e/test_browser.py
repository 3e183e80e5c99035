"""The report opens in a real browser without a console error, and draws its charts.  Skipped without Chromium."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from mien.registry import load_registry
from mien.report.html import write_report
from mien.testing.material import report_material

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)

pytestmark = [pytest.mark.skipif(not CHROMIUM, reason="no Chromium"), pytest.mark.slow]


def browse(page, folder, *options):
    """Open a file, wait until it is quiet, and return standard output and what the console said."""
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--enable-logging=stderr",
        "--v=0",
        "--virtual-time-budget=20000",
        f"--user-data-dir={folder / 'profile'}",
        *options,
        page.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]


@pytest.mark.parametrize("faces", ["full", "none"])
def test_the_report_opens_without_a_console_error(faces, tmp_path):
    material = report_material(6, faces=faces, names=["</script><b>"], scheme=load_registry().scheme("mediapipe_478"))
    page = write_report(material, tmp_path)
    text, console = browse(page, tmp_path, "--dump-dom")
    assert console == []
    plots = len(re.findall(r'class="plot[ "]', text))
    assert plots > 5
    assert text.count('class="main-svg"') >= plots  # each was drawn


def test_a_console_error_would_be_seen(tmp_path):
    page = tmp_path / "bad.html"
    page.write_text("<script>throw new Error('planted')</script>")
    assert any("planted" in line for line in browse(page, tmp_path, "--dump-dom")[1])
