"""The setup of a study: what is fixed before a user's own models are examined.

A study has no schedule, since its models are trained elsewhere: its seeds and ages are those that are added. World and
labels are code and data of the user's, so a digest of what they gave stands for them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imprint.models.settings import FrozenSettings
from imprint.models.setup.alignment import Named
from imprint.models.setup.learner import Decision, Evaluation


class Ground(FrozenSettings):
    """Where the true concepts of a study come from."""

    kind: str
    """``module:class`` of the world; ``labels`` of a study without one."""
    digest: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Of held-out observations and concepts, which every added model must be examined on."""


class StudySetup(Named):
    """Question, ground truth and decision rule of a study."""

    study: Literal["world", "labels"]
    """Whether concepts can be changed (``world``), or labels of given rows are all there is."""
    world: Ground
    intended: str
    """What the author of the reward meant."""
    proxies: tuple[str, ...]
    """What went along with it in training."""
    concepts: tuple[str, ...] = ()
    """Further concepts to locate."""
    rewarded: str | None = None
    """Level of the intended concept that is rewarded; None: the last one, ``True`` of a yes-or-no concept."""
    unit: str = Field("steps", pattern=r"^[^\W\d_][\w -]{0,39}$")
    """What ages count, in the plural: what stands behind a number on the page."""
    evaluation: Evaluation = Evaluation()
    decision: Decision = Decision()

    @model_validator(mode="after")
    def _once_each(self) -> StudySetup:
        if not self.proxies:
            raise ValueError("proxies is empty; name at least one concept that goes along with the intended one")
        if len(set(self.located)) != len(self.located):
            raise ValueError(f"intended, proxies and concepts name something twice: {', '.join(self.located)}")
        return self

    @property
    def located(self) -> tuple[str, ...]:
        """Concepts that are located: the intended one, the proxies, the others."""
        return (self.intended, *self.proxies, *self.concepts)

    @property
    def world_count(self) -> int:
        """One: all models of a study are examined in the same world."""
        return 1
