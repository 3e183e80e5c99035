"""Each guarantee of detectors has a detector that breaks it, and is seen to."""

from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count

import numpy as np

from mien.interfaces import Detector
from mien.registry import load_registry
from mien.testing import DetectorSuite, guarantees
from mien.testing.broken import all_must_fail
from mien.types import FrameFaces


class Session:
    """Takes every frame that is not grey for the portrait."""

    def __init__(self, detector):
        self.detector, self.seen = detector, 0
        self.mean = np.asarray(load_registry().scheme("ibug_68").mean_face, float)

    def reset(self):
        self.seen = 0

    def detect(self, frames, times):
        return [self.face(frame, number) for number, frame in enumerate(frames)]

    def face(self, frame, number):
        self.seen += 1
        faces = int(frame.std() > 5)
        points = np.repeat((self.mean * 40 + [128, 110])[None], faces, axis=0)
        box = np.concatenate([points.min(1), points.max(1)], axis=1)
        return FrameFaces(box, np.full(faces, 0.9), points)


class Good(Detector):
    """Knows the portrait."""

    @property
    def scheme(self):
        return "ibug_68"

    @contextmanager
    def open(self, device):
        yield self.session()

    def session(self):
        return Session(self)


def _with(name, doc, **methods):
    """Return a detector whose session does something else."""
    session = type("Session", (Session,), methods)
    return type(name, (Good,), {"__doc__": doc, "__module__": __name__, "session": lambda self: session(self)})


def _skips_the_first(self, frames, times):
    return Session.detect(self, frames[1:], times[1:])


def _shares_of_the_frame(self, frame, number):
    found = Session.face(self, frame, number)
    return replace(found, boxes=found.boxes / 256, landmarks=found.landmarks / 256)


def _something_else(self, frame, number):
    return replace(Session.face(self, frame, number), extras={"mood": np.zeros(1)})


def _always_a_face(self, frame, number):
    return Session.face(self, np.arange(300, dtype=np.uint8).reshape(10, 10, 3), number)


def _stacks(self, frames, times):
    return Session.detect(self, np.stack(list(frames)), times)


def _looks_at_a_pixel(self, frame, number):
    return Session.face(self, frame * (frame[20, 20] >= 0), number)


_sessions = count()


def _moves_with_each_session(self, detector):
    Session.__init__(self, detector)
    self.mean = self.mean + next(_sessions)


def _counts_on(self, frame, number):
    found = Session.face(self, frame, number)
    return replace(found, landmarks=found.landmarks + self.seen)


def _depends_on_the_place_in_the_batch(self, frame, number):
    found = Session.face(self, frame, number)
    return replace(found, landmarks=found.landmarks + number)


def _darkens(self, frames, times):
    found = Session.detect(self, frames, times)
    frames //= 2
    return found


class Swallows(Good):
    """Hides what went wrong."""

    @contextmanager
    def open(self, device):
        with suppress(KeyError):
            yield self.session()


class TestGood(DetectorSuite):
    component = Good


BROKEN = {
    "faces": _with("Skips", "Leaves out a frame.", detect=_skips_the_first),
    "pixels": _with("Shares", "Tells places as shares of the frame.", face=_shares_of_the_frame),
    "extras": _with("Surprises", "Has an extra that it does not name.", face=_something_else),
    "no face": _with("Sees", "Sees a face everywhere.", face=_always_a_face),
    "no frames": _with("Stacks", "Cannot stack nothing.", detect=_stacks),
    "sizes": _with("Looks", "Looks at a pixel that may not be there.", face=_looks_at_a_pixel),
    "deterministic": _with("Moves", "Is another one each time.", __init__=_moves_with_each_session),
    "reset": _with("Remembers", "Counts on after a reset.", face=_counts_on, reset=lambda self: None),
    "batches": _with(
        "Counts", "Tells places by the frame's number in its batch.", face=_depends_on_the_place_in_the_batch
    ),
    "frames": _with("Darkens", "Darkens the frames.", detect=_darkens),
    "session": Swallows,
}

globals().update(all_must_fail(DetectorSuite, BROKEN))


def test_every_guarantee_is_broken():
    own = {guarantee.name for guarantee in guarantees(DetectorSuite) if guarantee.suite != "ComponentSuite"}
    assert set(BROKEN) == own
