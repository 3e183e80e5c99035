import pickle

import pytest

from mien.errors import ConfigError, DataError, MienError, ModelError, PluginError, nearest, told


@pytest.mark.parametrize("kind", [MienError, ConfigError, DataError, ModelError, PluginError])
def test_an_error_travels_between_processes_whole(kind):
    error = pickle.loads(pickle.dumps(kind("It broke.", where="a.mp4", hint="Mend it.")))
    assert type(error) is kind
    assert str(error) == "a.mp4: It broke. Mend it."
    assert (error.message, error.where, error.hint) == ("It broke.", "a.mp4", "Mend it.")


def test_nearest_names_the_likely_one_or_all():
    assert nearest("mediapip", ["mediapipe", "face_alignment"]) == "Did you mean 'mediapipe'?"
    assert nearest("zzz", ["b", "a"]) == "Known: a, b."
    assert nearest("zzz", []) == ""


def test_the_name_of_a_file_that_is_no_utf_8_can_be_printed_and_written():
    error = DataError("No video.", where="/data/\udcff.mp4", hint="Look at \udcfe.")
    assert str(error) == r"/data/\udcff.mp4: No video. Look at \udcfe."
    assert error.args == ("No video.",)


class Silent(Exception):
    """Cannot be printed."""

    def __str__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyError("stage"), "KeyError: 'stage'"),
        (ValueError("Odd."), "ValueError: Odd"),
        (ValueError(), "ValueError"),
        (ValueError("\udcff"), r"ValueError: \udcff"),
        (Silent(), "Silent: its text cannot be had (RuntimeError)"),
    ],
)
def test_an_exception_of_anybody_is_told_in_a_line(error, words):
    assert told(error) == words
