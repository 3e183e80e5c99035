"""Viewers that never were, as a configuration asks for them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SyntheticViewers(BaseModel):
    """Made-up viewers who look at one region of every face (no measurement of anyone; for examples and tests).

    Each viewer has a bias of its own and a random stream for each recording.  A fixation falls, with probability
    ``attention``, near the middle of ``region`` as it stands then, and otherwise anywhere in the face's box, which it
    exceeds by a quarter on each side.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)

    region: str = Field("mouth", description="A region of the detector's landmark scheme, e.g. mouth or right_eye.")
    viewers: int = Field(8, ge=1, le=1000, description="How many.")
    attention: float = Field(0.7, ge=0, le=1, description="Share of fixations that fall near the region.")
    spread: float = Field(0.15, gt=0, description="Standard deviation around its middle, inter-ocular distances.")
    bias: float = Field(0.05, ge=0, description="Standard deviation of the viewers' own offsets, the same unit.")
    duration: float = Field(0.25, gt=0, description="Median duration of a fixation, seconds.")
    saccade: float = Field(0.03, ge=0, description="Time between two fixations, seconds.")
    seed: int = Field(0, ge=0, le=2**31 - 1)
