import pickle

import pytest

from mien.errors import ConfigError, DataError, MienError, ModelError, PluginError, nearest


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
