"""No suite, and so no guarantee, is without plugins that break it."""

from pathlib import Path

import pytest

from mien.registry import load_registry
from mien.testing import SUITES, AttributionMethodSuite, BrokenPromise, ComponentSuite, guarantees, pins

HERE = Path(__file__).parent


@pytest.mark.parametrize("kind", [*SUITES, "component"])
def test_every_kind_has_its_broken_plugins(kind):
    """Each of these files asserts that its broken plugins are as many as the guarantees."""
    text = (HERE / f"test_broken_{kind}.py").read_text()
    assert "def test_every_guarantee_is_broken" in text
    assert "all_must_fail(" in text


def test_a_suite_inherits_the_general_guarantees():
    for kind, suite in SUITES.items():
        general = {guarantee.name for guarantee in guarantees(suite) if guarantee.suite == "ComponentSuite"}
        assert general == ({one.name for one in guarantees(ComponentSuite)} if kind != "landmarks" else set())


class Harmless(load_registry().load("attribution", "saliency")):
    """The gradient's size."""


class Stricter(AttributionMethodSuite):
    """A suite of an author's own."""

    component = Harmless
    guarantees = {"loud": "Its relevance is loud."}  # noqa: RUF012

    @pins("loud")
    def test_it_is_loud(self):
        assert 1 > 2, "it whispers"

    @pins("loud")
    def test_it_raises(self):
        raise KeyError("volume")

    @pins("loud")
    def test_it_does_not_raise(self):
        with pytest.raises(ValueError, match="any"):
            pass

    @pins("loud")
    def test_it_skips(self):
        pytest.skip("there is no sound")


Stricter.__test__ = False  # its checks fail, as they should


def test_an_author_states_more_and_a_failure_says_what_was_promised():
    stated = {guarantee.name: guarantee for guarantee in guarantees(Stricter)}
    assert stated["loud"].suite == "Stricter"
    assert len(stated["loud"].checks) == 4
    told = {}
    for check in ("test_it_is_loud", "test_it_raises", "test_it_does_not_raise"):
        with pytest.raises(BrokenPromise) as caught:
            getattr(Stricter(), check)()
        told[check] = str(caught.value)
        assert told[check].startswith("Harmless promised: Its relevance is loud.\nFound: ")
    assert "it whispers" in told["test_it_is_loud"]
    assert "KeyError: 'volume'" in told["test_it_raises"]
    assert "DID NOT RAISE" in told["test_it_does_not_raise"]
    with pytest.raises(pytest.skip.Exception):
        Stricter().test_it_skips()
