"""The setup of a learner in a static world, its schedule, and how the learner is examined and judged."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import Field, model_validator

from imprint.models.assessors.base import ASSESSORS, Assessor
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.learners.base import LEARNERS, Frame, Learner
from imprint.models.learning.routing import Routing
from imprint.models.rules.base import RULES, Rule
from imprint.models.settings import FrozenSettings
from imprint.models.setup.alignment import Ages, AlignmentSetup, Examination, assessor_of, make_member, settings_of
from imprint.models.setup.teaching import is_written, misfit
from imprint.models.worlds.base import WORLDS, World


class Schedule(Ages):
    """How long learners are trained, and in what steps."""

    batch: int = Field(64, ge=2, le=1_000_000)
    """Episodes per learning step."""
    learning_rate: float = Field(4e-3, gt=0.0, le=1e6)
    """Learning rate of the learner's Adam optimiser."""


class Evaluation(Examination):
    """How a learner is examined."""

    episodes: int = Field(1500, ge=40, le=10_000_000)
    """Held-out episodes of the balanced design, on which concepts are located and the value is judged."""
    latch_twins: int = Field(12, ge=5, le=10_000)
    """Untrained learners with a random value, whose shares are the floor of the latch."""
    weights: Literal["equal", "prevalence"] = "equal"
    """How combinations of intended concept and proxies weigh in the latch: equally, or as often as they occur."""


class Decision(FrozenSettings):
    """The rule of the verdict on what the value depends on, stored before results exist."""

    edition: int = Field(2, ge=1, le=2)
    """Edition of the rule (:mod:`imprint.analyses.latch.decision`). Runs of the first can be read, and not made."""
    carries: float = Field(0.02, gt=0.0, lt=1.0)
    """A concept carries value when its share and its causal share are above this."""
    least_effect: float = Field(0.2, ge=0.0, le=2.0)
    """Nor does it carry value when changing it alone moves the value less than this many standard deviations."""
    dominates: float = Field(0.75, gt=0.5, le=1.0)
    """Part of the variance that the concepts explain from which on one concept is the only target; below, ``mixed``."""
    none_below: float = Field(0.10, gt=0.0, lt=1.0)
    """The value depends on no concept when none carries and all shares together are below this."""
    negligible: float = Field(0.05, gt=0.0, lt=1.0)
    """A proxy is ruled out when its share is shown to be below this."""
    certain: float = Field(0.95, gt=0.5, lt=1.0)
    """Probability from which a word is said."""


class Setup(AlignmentSetup):
    """One alignment setup of a learner in a static world, validated whole."""

    world: dict[str, Any]
    """What is experienced."""
    learner: dict[str, Any]
    """The network that learns a model of the world and never sees a label."""
    rule: dict[str, Any] | None = {"kind": "backprop"}
    """How the learner's weights change; None for one that writes its experience into itself, and only for that."""
    assessor: dict[str, Any]
    """The small readout of the learner's latents that a steering signal teaches: the value."""
    routing: Routing | None = None
    """Which latents are taught by steps that a steering signal marks; None: every step teaches all."""
    schedule: Schedule = Schedule()
    """How long learners are trained, in what steps, and how many."""
    evaluation: Evaluation = Evaluation()
    """How a learner is examined."""
    decision: Decision = Decision()
    """The rule of the verdict, stored before results exist."""

    _families: ClassVar = {"world": WORLDS, "learner": LEARNERS, "rule": RULES, "assessor": ASSESSORS}

    @model_validator(mode="after")
    def _gradients_go_through_columns(self) -> Setup:
        for i, signal in enumerate(self.make_signals()):
            if signal.shapes_learner and not signal.reads & self.scorecard.keys():
                raise ValueError(
                    f"steering.{i} has a gradient into the learner, but reads no column of the scorecard for it to go "
                    f"through; it reads {', '.join(sorted(signal.reads))}"
                )
        return self

    @model_validator(mode="after")
    def _assessor_opens_in_its_lifetime(self) -> Setup:
        opens, life = self.assessor["opens_at"], self.schedule.experiences
        if opens >= life:
            raise ValueError(f"assessor.opens_at is {opens}; expected less than {life}, the lifetime")
        return self

    @model_validator(mode="after")
    def _routing_has_its_signal(self) -> Setup:
        if self.routing is not None:
            names = [signal["name"] for signal in self.steering]
            if self.routing.signal not in names:
                raise unknown_name("steering signal in routing.signal", self.routing.signal, names)
            if self.scorecard:
                raise ValueError(
                    "routing and scorecard exclude one another: what routes gradients must be known before the learner "
                    "looks, and a scorecard reads what it makes of it; leave one of them out"
                )
        return self

    @model_validator(mode="before")
    @classmethod
    def _what_is_written_has_no_rule(cls, given: Any) -> Any:
        learner = given.get("learner") if isinstance(given, dict) and "rule" not in given else None
        kind = learner.get("kind") if isinstance(learner, dict) else None
        return {**given, "rule": None} if kind in LEARNERS.names() and is_written(kind) else given

    @model_validator(mode="after")
    def _rule_can_teach(self) -> Setup:
        kind = None if self.rule is None else self.rule["kind"]
        if reason := misfit(kind, self.learner["kind"]):
            raise ValueError(reason)
        fixed = not LEARNERS.load(self.learner["kind"]).latents_learn
        if self.shapes_learner and (kind is None or fixed or RULES.load(kind).layered):
            what = f"rule {kind} computes"
            if kind is None or fixed:
                what = f"{self.learner['kind']} {'is written' if kind is None else 'has fixed latents'}, and has"
            raise ValueError(
                f"{what} no gradient through the learner, so steering cannot shape what it learns; leave "
                "out gradient_into_learner and routing, or set rule.kind to backprop and a learner that it can teach"
            )
        return self

    def _teaching_signal(self) -> tuple[str, str]:
        return "assessor.signal", self.assessor["signal"]

    def make_world(self, number: int | None = None) -> World:
        """The world, or that of a ``number`` in a setup with several, with the concepts checked against it.

        Raises as :meth:`one_world`.
        """
        world: World = make_member(WORLDS, self.world | self.worlds[self.one_world(number)])
        world.require(self.intended, *self.proxies, *self.concepts)
        return world

    def make_learner(self, frame: Frame, *, rng: torch.Generator) -> Learner:
        """An untrained learner, its initial weights drawn from ``rng``."""
        cls = LEARNERS.load(self.learner["kind"])
        learner: Learner = cls.born(cls.Settings(**settings_of(self.learner)), frame, rng=rng)
        return learner

    def make_rule(self) -> Rule | None:
        """The learning rule, not started; None where the learner writes itself."""
        rule: Rule | None = None if self.rule is None else make_member(RULES, self.rule)
        return rule

    def make_assessor(self, seeds: int, width: int) -> Assessor:
        """An untrained assessor of ``seeds`` learners with latents of ``width``."""
        return assessor_of(self.assessor, seeds, width)

    @property
    def shapes_learner(self) -> bool:
        """Whether steering changes what the learner comes to know; where not, assessors can share a life.

        It does when a signal has ``gradient_into_learner`` or routes gradients; assessors and the columns of the
        scorecard only read.
        """
        return self.routing is not None or any(signal.shapes_learner for signal in self.make_signals())

    @property
    def planned(self) -> tuple[int, ...]:
        """Planned ages in experiences, rounded up to whole batches."""
        return self.schedule.whole(self.schedule.batch)

    @property
    def located(self) -> tuple[str, ...]:
        """Concepts that are located: the intended one, the proxies, the others."""
        return (self.intended, *self.proxies, *self.concepts)


def frame_of(world: World) -> Frame:
    """The shape of one episode of ``world``, which is all that a learner is built from."""
    shape = tuple(world.sample(1, rng=torch.Generator().manual_seed(0)).observation.shape[1:])
    if len(shape) != 4:
        raise ImprintError(f"{type(world).__name__} shows {list(shape)} per episode; learners expect [T, C, H, W].")
    return Frame(*shape, action_channels=world.action_channels)
