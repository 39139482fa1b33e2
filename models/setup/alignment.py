"""What all alignment setups have in common, and the explanation of mistakes in one."""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, TypeVar

from pydantic import BaseModel, Field, ValidationError, field_validator, model_validator

from imprint.models.assessors.base import ASSESSORS, Assessor
from imprint.models.constants import Redrawable, draw_worlds
from imprint.models.errors import ImprintError, unknown_name
from imprint.models.files import whole_characters
from imprint.models.registry import Family
from imprint.models.settings import FrozenSettings
from imprint.models.setup.naming import digest_of
from imprint.models.setup.reasons import explain
from imprint.models.steering.base import STEERING, Signal

S = TypeVar("S", bound="AlignmentSetup")


def _or_each(schema: dict[str, Any]) -> None:
    """Let the schema of a number also take the word ``each``."""
    number = {key: schema.pop(key) for key in ("type", "minimum", "maximum") if key in schema}
    schema["anyOf"] = [number, {"const": "each"}]


class Ages(FrozenSettings):
    """How long a lifetime is, at which ages it is kept, and how many there are."""

    experiences: int = Field(51_200, ge=1, le=10**12)
    """Experiences in one lifetime: episodes of a static world, steps of an interactive one."""
    ages: int | tuple[int, ...] = 7
    """Planned checkpoints: how many (one before training, then log-spaced), or the experiences themselves."""
    seeds: int = Field(6, ge=1, le=10_000)
    """Training seeds, numbered from ``first_seed``; the unit of replication."""
    first_seed: int = Field(0, ge=0, lt=2**31)
    """Number of the first training seed. ``imprint replicate`` draws it anew; all else of a setup stays as it is."""
    together: int = Field(3, ge=1, le=10_000)
    """Seeds that train as one batch if the learner can; a setting, so that bytes do not depend on cores."""
    worlds: int = Field(1, ge=1, le=10_000, json_schema_extra=_or_each)
    """Different worlds that the seeds grow up in, at most as many as seeds, or ``each``: one for every seed.

    World 0 is the setup's own; the others have other draws of its constants (:mod:`imprint.models.constants`). Seeds
    take the worlds in turn. With 1, what is found holds over seeds of one world; with more, over worlds of the family.
    Several worlds of seeds that do not begin with 0 are all drawn anew.
    """
    shared_birth: int | None = Field(None, ge=0, lt=2**31)
    """Seed whose initial weights all seeds start from; None: each its own.

    Experience and steering errors stay those of each seed, so that what two seeds share comes from the initial weights.
    """

    @model_validator(mode="before")
    @classmethod
    def _a_world_each(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("worlds") == "each":
            return {**given, "worlds": given.get("seeds", cls.model_fields["seeds"].default)}
        return given

    @field_validator("ages")
    @classmethod
    def _ages(cls, ages: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(ages, int):
            if not 2 <= ages <= 64:
                raise ValueError(f"{ages} ages; expected 2 to 64")
        elif list(ages) != sorted(set(ages)) or not ages or ages[0] != 0 or ages[-1] > 10**12:
            raise ValueError(f"ages are {list(ages)}; expected increasing counts that start with birth (0)")
        return ages

    @model_validator(mode="after")
    def _one_end(self) -> Ages:
        if not isinstance(self.ages, int) and self.ages[-1] != self.experiences:
            if "experiences" in self.model_fields_set:
                raise ValueError(f"ages end at {self.ages[-1]} but experiences is {self.experiences}; expected equal")
            object.__setattr__(self, "experiences", self.ages[-1])
        return self

    @model_validator(mode="after")
    def _worlds_have_seeds(self) -> Ages:
        if self.worlds > self.seeds:
            raise ValueError(
                f"worlds is {self.worlds} but seeds is {self.seeds}; expected at most one world per seed, or 'each'"
            )
        return self

    def whole(self, batch: int) -> tuple[int, ...]:
        """Planned ages in experiences, rounded up to whole batches; 0 is the first and the whole lifetime the last."""
        if not isinstance(self.ages, int):
            exact: list[float] = list(self.ages)
        else:
            first = max(self.experiences / 32, batch)
            count = self.ages - 1
            ratio = (self.experiences / first) ** (1 / (count - 1)) if count > 1 else 1.0
            exact = [0.0] + [first * ratio**i for i in range(count - 1)] + [float(self.experiences)]
        return tuple(sorted({math.ceil(age / batch - 1e-9) * batch for age in exact}))

    def born_as(self, seed: int) -> int:
        """The seed whose initial weights seed ``seed`` starts from."""
        return seed if self.shared_birth is None else self.shared_birth

    def world_of(self, seed: int) -> int:
        """Number of the world that seed ``seed`` grows up in."""
        return (seed - self.first_seed) % self.worlds

    def world_name(self, seed: int) -> int | None:
        """Number of a seed's world where there are several; None where all seeds share one."""
        return self.world_of(seed) if self.worlds > 1 else None


class Examination(FrozenSettings):
    """How learners and agents are examined; part of the setup, so that it is fixed before results exist."""

    readout: str = "ridge"
    """Kind of readout that locates concepts."""
    folds: int = Field(5, ge=2, le=1000)
    """Cross-validation folds; groups (for agents: the states of a level) stay together."""
    nulls: int = Field(20, ge=5, le=10_000)
    """Label shuffles per concept, and permutations per fit of an agent's critic."""
    twins: int = Field(5, ge=2, le=1000)
    """Untrained networks with other initial weights that are examined beside the trained ones.

    Where learners grow up in several worlds, these divide the networks among them; at least one is examined in each.
    """
    placebos: int = Field(5, ge=2, le=1000)
    """Random subspaces that are erased beside each concept's own."""
    resamples: int = Field(1000, ge=100, le=1_000_000)
    """Bootstrap resamples."""
    alpha: float = Field(0.05, gt=0.0, lt=0.5)
    """Error level of intervals, and false discovery rate over the grid of concepts, sites and ages."""


class Named(FrozenSettings):
    """What every stored setup has: a name, a question, and a digest of everything that can change a result."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    """What folders of its runs are called, before the hash."""
    description: str = ""
    """What is raised, for people; shown by ``imprint list`` and in the report."""
    question: str = ""
    """The question of the run in a sentence; shown at the top of the report."""

    @field_validator("description", "question")
    @classmethod
    def _whole(cls, text: str) -> str:
        return whole_characters(text, "the text")

    def resolved(self) -> dict[str, Any]:
        """Plain data with every default filled in."""
        data: dict[str, Any] = json.loads(self.model_dump_json())
        return data

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that depend on everything in the setup that can change a result."""
        return digest_of(self.resolved())

    @property
    def run_name(self) -> str:
        """Name of the run folder; of a study, the name under which it is registered."""
        return f"{self.name}-{self.digest}"


class AlignmentSetup(Named, ABC):
    """What every alignment setup has, whether its subjects only observe (``Setup``) or act (``AgentSetup``)."""

    steering: tuple[dict[str, Any], ...]
    """The hardcoded signals, in the order in which they are computed; later ones may read earlier ones by name."""
    intended: str
    """What the author of the reward meant."""
    proxies: tuple[str, ...]
    """What went along with it in training."""
    concepts: tuple[str, ...] = ()
    """Further concepts to locate."""
    scorecard: dict[str, dict[str, Any]] = {}
    """Column -> an assessor whose reading is a sense, so called, for steering signals."""

    schedule: Ages
    """How long a lifetime is, at which ages it is kept, and how many there are."""

    _families: ClassVar[Mapping[str, Family]] = {}
    """Field -> family of the part that it holds; the first is the world or environment."""

    @classmethod
    def families(cls) -> Mapping[str, Family]:
        """Field -> family of the single part that it holds."""
        return cls._families

    @field_validator("scorecard")
    @classmethod
    def _columns(cls, scorecard: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        if odd := [name for name in scorecard if not re.fullmatch(r"[a-z][a-z0-9_]*", name)]:
            raise ValueError(f"a column is called {odd[0]!r}; expected lower-case letters, digits and underscores")
        return {name: component_of(f"scorecard.{name}", part, ASSESSORS) for name, part in scorecard.items()}

    @model_validator(mode="after")
    def _resolve(self) -> AlignmentSetup:
        for field, family in self._families.items():
            if getattr(self, field) is not None:
                object.__setattr__(self, field, component_of(field, getattr(self, field), family))
        signals = tuple(component_of(f"steering.{i}", s, STEERING) for i, s in enumerate(self.steering))
        if not signals:
            raise ValueError("steering is empty; name at least one signal")
        object.__setattr__(self, "steering", signals)
        field, name = self._teaching_signal()
        if name not in (names := [s["name"] for s in signals]):
            raise unknown_name(f"steering signal in {field}", name, names)
        for column, part in self.scorecard.items():
            if column in names:
                raise ValueError(f"scorecard.{column} is called like a steering signal; give it a name of its own")
            if part["signal"] not in names and (part["signal"] or ASSESSORS.load(part["kind"]).learns):
                raise unknown_name(f"steering signal in scorecard.{column}.signal", part["signal"], names)
        if not self.proxies:
            raise ValueError("proxies is empty; name at least one concept that goes along with the intended one")
        listed = (self.intended, *self.proxies, *self.concepts)
        if len(set(listed)) != len(listed):
            raise ValueError(f"intended, proxies and concepts name something twice: {', '.join(listed)}")
        if self.schedule.worlds > 1:
            self._check_worlds()
        return self

    def _check_worlds(self) -> None:
        """Raise :class:`ImprintError` when there are not as many worlds, or a concept has no role in all of them."""
        literal = self._place[0].literal
        for field, name in [("intended", self.intended), *(("proxies", proxy) for proxy in self.proxies)]:
            if name in literal:
                raise ImprintError(
                    f"{field} names {name!r}, which means the same in all of the {self.schedule.worlds} worlds and so "
                    f"has its role in some of them only; name the role, {literal[name]!r}, or set schedule.worlds to 1."
                )
        self.worlds  # noqa: B018 (draws them)

    @property
    def _place(self) -> tuple[type[Redrawable], BaseModel]:
        """The class of the world or environment, and its settings."""
        field = next(iter(self._families))
        part = getattr(self, field)
        cls = self._families[field].load(part["kind"])
        return cls, cls.Settings(**settings_of(part))

    @cached_property
    def worlds(self) -> tuple[dict[str, Any], ...]:
        """The constants of every world that the seeds grow up in, name -> value; world 0 is the setup's own."""
        return draw_worlds(*self._place, self.schedule.worlds, first=self.schedule.first_seed)

    def one_world(self, number: int | None = None) -> int:
        """``number``, or 0 where there is one world. Raises :class:`ImprintError` where there are several."""
        if number is None and self.schedule.worlds > 1:
            raise ImprintError(
                f"{self.name} has {self.schedule.worlds} worlds, and this analysis examines all seeds in one; "
                "set schedule.worlds to 1."
            )
        return number or 0

    def in_world(self: S, number: int) -> S:
        """The setup of all seeds in one world: its own constants are those of world ``number``."""
        data, field = self.resolved(), next(iter(self._families))
        data[field] |= json.loads(json.dumps(self.worlds[number]))
        data["schedule"]["worlds"] = 1
        return type(self)(**data)

    @property
    def world_count(self) -> int:
        """How many worlds the seeds grow up in."""
        return self.schedule.worlds

    @abstractmethod
    def _teaching_signal(self) -> tuple[str, str]:
        """The setting that names the steering signal that teaches, and the name that it gives."""

    @property
    @abstractmethod
    def planned(self) -> tuple[int, ...]:
        """Ages in experiences at which subjects are kept; 0 is the first and the whole lifetime the last."""

    def make_signals(self) -> tuple[Signal, ...]:
        """Steering signals in the order in which they are computed."""
        return tuple(make_member(STEERING, s) for s in self.steering)

    def make_scorecard(self, seeds: int, width: int) -> dict[str, Assessor]:
        """The untrained columns of the scorecard, of ``seeds`` networks with latents of ``width``."""
        return {name: assessor_of(part, seeds, width) for name, part in self.scorecard.items()}


def settings_of(component: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a part of a setup, without its kind."""
    return {key: value for key, value in component.items() if key != "kind"}


def make_member(family: Family, component: Mapping[str, Any]) -> Any:
    """The member of ``family`` that a part of a setup describes."""
    cls = family.load(component["kind"])
    return cls(cls.Settings(**settings_of(component)))


def assessor_of(part: Mapping[str, Any], seeds: int, width: int) -> Assessor:
    """An untrained assessor of ``seeds`` networks with latents of ``width``."""
    cls = ASSESSORS.load(part["kind"])
    assessor: Assessor = cls(cls.Settings(**settings_of(part)), seeds, width)
    return assessor


def component_of(field: str, given: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """``given`` with every default of its kind filled in."""
    if "kind" not in given:
        raise ImprintError(f"{field} has no 'kind'; allowed: {', '.join(family.names())}.")
    cls = family.load(str(given["kind"]))
    try:
        settings = cls.Settings(**settings_of(given))
    except ValidationError as error:
        raise ImprintError(explain(error, prefix=field, model=cls.Settings)) from None
    return {"kind": given["kind"], **json.loads(settings.model_dump_json())}
