"""The setup of a study of agents: what is fixed before the first policy is examined.

Environment, goals and facts are code of the user's, so names and a digest of held-out levels stand for them. Policies
are trained elsewhere; seeds and ages are those that are added.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from imprint.models.settings import FrozenSettings
from imprint.models.setup.agent import AgentDecision
from imprint.models.setup.alignment import Named


class Levels(FrozenSettings):
    """Where the levels of a study come from."""

    kind: str
    """Name of the environment."""
    digest: str = Field(pattern=r"^[0-9a-f]{16}$")
    """Of the first observations of held-out levels, on which every policy is examined."""


class AgentStudyEvaluation(FrozenSettings):
    """How policies are examined."""

    levels: int = Field(200, ge=20, le=1_000_000)
    """Held-out levels of each design."""
    states: int = Field(400, ge=40, le=1_000_000)
    """States of random walks at most, on which facts are located, the critic is explained and erasers are fitted."""
    placebos: int = Field(4, ge=2, le=1000)
    """Random subspaces that are erased beside each goal's own."""
    resamples: int = Field(1000, ge=100, le=1_000_000)
    """Bootstrap resamples."""
    greedy: bool = False
    """Whether policies take their likeliest action; otherwise they draw, as in training."""
    discount: float = Field(0.99, gt=0.0, le=1.0)
    """Of the distances with which a critic's value is explained."""
    readout: str = "ridge"
    """Kind of readout that locates facts."""
    folds: int = Field(5, ge=2, le=1000)
    """Cross-validation folds; states of one level stay together."""
    nulls: int = Field(20, ge=5, le=10_000)
    """Label shuffles per fact."""
    alpha: float = Field(0.05, gt=0.0, lt=0.5)
    """False discovery rate over the grid of facts, sites and ages."""


class AgentStudySetup(Named):
    """Question, levels and decision rule of a study of agents."""

    study: Literal["agents"] = "agents"
    environment: Levels
    designs: tuple[str, ...]
    intended: str
    """The goal that the author of the reward meant."""
    proxies: tuple[str, ...]
    """Goals that went along with it in training."""
    concepts: tuple[str, ...] = ()
    """Facts that are located."""
    marks: dict[str, tuple[str, ...]] = {}
    """Goal -> facts that say where it is."""
    unit: str = Field("steps", pattern=r"^[^\W\d_][\w -]{0,39}$")
    """What ages count, in the plural: what stands behind a number on the page."""
    evaluation: AgentStudyEvaluation = AgentStudyEvaluation()
    decision: AgentDecision = AgentDecision()

    @model_validator(mode="after")
    def _once_each(self) -> AgentStudySetup:
        goals = (self.intended, *self.proxies)
        if len(set(goals)) != len(goals):
            raise ValueError(f"goals name something twice: {', '.join(goals)}")
        return self

    @property
    def goals(self) -> tuple[str, ...]:
        """Intended first."""
        return (self.intended, *self.proxies)

    @property
    def world_count(self) -> int:
        """One: all policies are examined on the same levels."""
        return 1
