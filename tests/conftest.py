"""What tests of several folders need."""

import pytest

from mien.errors import PluginError
from mien.registry import load_registry


@pytest.fixture(scope="session")
def mediapipe_usable():
    """Skip where MediaPipe is not installed, or is of a version that needs a model file which is not here."""
    pytest.importorskip("mediapipe")
    try:
        with load_registry().create("detector", "mediapipe").open("cpu"):
            pass
    except PluginError as error:
        pytest.skip(str(error))
