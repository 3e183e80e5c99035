"""Each guarantee of landmark schemes has a scheme that breaks it, and is seen to."""

from dataclasses import replace
from itertools import count

import numpy as np

from mien.registry import load_registry
from mien.steps import pipeline
from mien.testing import LandmarkSchemeSuite, guarantees
from mien.testing.broken import all_must_fail

_times = count()


def good():
    return replace(load_registry().scheme("ibug_68"), id="own_68")


def without_a_region():
    scheme = good()
    return replace(scheme, regions={name: points for name, points in scheme.regions.items() if name != "nose"})


def point_too_many():
    scheme = good()
    return replace(scheme, regions={**scheme.regions, "nose": (*scheme.regions["nose"], 68)})


def in_pixels():
    scheme = good()
    return replace(scheme, mean_face=np.asarray(scheme.mean_face) * 40)


def mirrored():
    scheme = good()
    return replace(scheme, mean_face=np.asarray(scheme.mean_face) * [-1, 1])


def another_each_time():
    scheme = good()
    return replace(scheme, mean_face=np.asarray(scheme.mean_face) + 1e-3 * next(_times))


def heavy():
    return good()


heavy.__module__ = pipeline.__name__


class TestGood(LandmarkSchemeSuite):
    component = good


BROKEN = {
    "regions": without_a_region,
    "points": point_too_many,
    "mean face": in_pixels,
    "sides": mirrored,
    "repeatable": another_each_time,
    "light": heavy,
    "whole run": point_too_many,
}

globals().update(all_must_fail(LandmarkSchemeSuite, BROKEN))


def test_every_guarantee_is_broken():
    assert set(BROKEN) == {guarantee.name for guarantee in guarantees(LandmarkSchemeSuite)}
