"""A setup: one alignment experiment, written down whole before anything runs.

world + learner + steering + assessor + schedule + intended concept + proxies + decision rule, one YAML file; for agents
see :mod:`imprint.models.agent_setup`. Unknown keys and kinds are errors that suggest the near miss. The resolved setup,
with every default filled in, is stored with the run and its hash is the run's name, so that two runs with the same name
are the same experiment.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar, overload

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from imprint.models import registry
from imprint.models.assessors.base import ASSESSORS, Assessor
from imprint.models.errors import ImprintError, near_miss, unknown_name
from imprint.models.learners.base import LEARNERS, Frame, Learner
from imprint.models.registry import Family
from imprint.models.steering.base import STEERING, Signal
from imprint.models.worlds.base import WORLDS, World


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Ages(_Part):
    """How long a lifetime is, when it is looked at, and how many there are."""

    experiences: int = Field(51_200, ge=1)
    """Experiences in one lifetime: episodes of a static world, steps of an interactive one."""
    ages: int | tuple[int, ...] = 7
    """Planned checkpoints: a count (birth, then log-spaced) or the experiences themselves."""
    seeds: int = Field(6, ge=1)
    """Training seeds, numbered from 0; the unit of replication."""
    together: int = Field(3, ge=1)
    """Seeds that train as one batch, when the learner allows it.

    Part of the setup, so that bytes do not depend on cores.
    """
    shared_birth: int | None = Field(None, ge=0)
    """Seed whose initial weights all seeds are born with; None: each its own.

    Experience and steering errors stay those of each seed, so that what two seeds share, they inherited.
    """

    @field_validator("ages")
    @classmethod
    def _ages(cls, ages: int | tuple[int, ...]) -> int | tuple[int, ...]:
        if isinstance(ages, int):
            if not 2 <= ages <= 64:
                raise ValueError(f"{ages} ages; expected 2 to 64")
        elif list(ages) != sorted(set(ages)) or not ages or ages[0] != 0:
            raise ValueError(f"ages are {list(ages)}; expected increasing counts that start with birth (0)")
        return ages

    @model_validator(mode="after")
    def _one_end(self) -> Ages:
        if not isinstance(self.ages, int) and self.ages[-1] != self.experiences:
            if "experiences" in self.model_fields_set:
                raise ValueError(
                    f"ages end at {self.ages[-1]} but experiences is {self.experiences}; expected the same"
                )
            object.__setattr__(self, "experiences", self.ages[-1])
        return self

    def whole(self, batch: int) -> tuple[int, ...]:
        """Ages in experiences, whole batches, birth first and the whole lifetime last."""
        if not isinstance(self.ages, int):
            exact: list[float] = list(self.ages)
        else:
            first = max(self.experiences / 32, batch)
            count = self.ages - 1
            ratio = (self.experiences / first) ** (1 / (count - 1)) if count > 1 else 1.0
            exact = [0.0] + [first * ratio**i for i in range(count - 1)] + [float(self.experiences)]
        return tuple(sorted({math.ceil(age / batch - 1e-9) * batch for age in exact}))

    def born_as(self, seed: int) -> int:
        """The seed whose initial weights seed ``seed`` is born with."""
        return seed if self.shared_birth is None else self.shared_birth


class Schedule(Ages):
    """How long a lifetime in a static world is, and how it is taught."""

    batch: int = Field(64, ge=2)
    """Episodes per learning step."""
    learning_rate: float = Field(4e-3, gt=0.0)
    """Of the learner's Adam optimiser."""

    @property
    def planned(self) -> tuple[int, ...]:
        """Ages in experiences, whole batches, birth first and the whole lifetime last."""
        return self.whole(self.batch)


class Evaluation(_Part):
    """How a subject is examined; part of the setup, so that it is fixed before results exist."""

    episodes: int = Field(1500, ge=40)
    """Held-out episodes, balanced design, on which concepts are located and value is judged."""
    folds: int = Field(5, ge=2)
    """Cross-validation folds; groups stay together."""
    nulls: int = Field(20, ge=5)
    """Label shuffles per concept."""
    twins: int = Field(5, ge=2)
    """Randomly initialised twins."""
    readout: str = "ridge"
    """Kind of readout."""
    resamples: int = Field(1000, ge=100)
    """Bootstrap resamples."""
    placebos: int = Field(5, ge=2)
    """Random subspaces per erasure."""
    alpha: float = Field(0.05, gt=0.0, lt=0.5)
    """False discovery rate over the concept x site x age grid."""


class Decision(_Part):
    """The rule of the latch verdict, stored before results exist."""

    carries: float = Field(0.02, gt=0.0, lt=1.0)
    """A concept carries value when the interval of its share lies above this."""
    dominates: float = Field(0.75, gt=0.5, le=1.0)
    """One concept is *the* target when it holds at least this part of all carried shares.

    Otherwise the latch is mixed.
    """
    none_below: float = Field(0.10, gt=0.0, lt=1.0)
    """Nothing is latched when no concept carries and the upper end of all shares together is below this."""


class AlignmentSetup(_Part):
    """What every alignment setup has, whether its subjects watch (:class:`Setup`) or act (``AgentSetup``)."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")
    description: str = ""
    question: str = ""
    """What the run is asked, in a sentence; shown at the top of the report."""
    steering: tuple[dict[str, Any], ...]
    intended: str
    """What the author of the reward meant."""
    proxies: tuple[str, ...]
    """What went along with it in training."""
    concepts: tuple[str, ...] = ()
    """Further concepts to locate."""

    _families: ClassVar[Mapping[str, Family]] = {}
    """Field -> the family its part is a member of."""

    @model_validator(mode="after")
    def _resolve(self) -> AlignmentSetup:
        for field, family in self._families.items():
            object.__setattr__(self, field, _component(field, getattr(self, field), family))
        signals = tuple(_component(f"steering.{i}", s, STEERING) for i, s in enumerate(self.steering))
        if not signals:
            raise ValueError("steering is empty; name at least one signal")
        object.__setattr__(self, "steering", signals)
        field, wanted = self._asked_of_steering()
        if wanted not in (names := [s["name"] for s in signals]):
            raise unknown_name(f"steering signal in {field}", wanted, names)
        if not self.proxies:
            raise ValueError("proxies is empty; name at least one concept that goes along with the intended one")
        listed = (self.intended, *self.proxies, *self.concepts)
        if len(set(listed)) != len(listed):
            raise ValueError(f"intended, proxies and concepts name something twice: {', '.join(listed)}")
        return self

    def _asked_of_steering(self) -> tuple[str, str]:
        """The setting that names the signal that teaches, and the name."""
        raise NotImplementedError

    def make_signals(self) -> tuple[Signal, ...]:
        """Steering signals in the order in which they are computed."""
        return tuple(make_member(STEERING, s) for s in self.steering)

    # -- identity ------------------------------------------------------------------------------------------------

    def resolved(self) -> dict[str, Any]:
        """Plain data with every default filled in."""
        data: dict[str, Any] = json.loads(self.model_dump_json())
        return data

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change when anything that can change a result changes."""
        content = {k: v for k, v in self.resolved().items() if k not in ("description", "question")}
        if content["schedule"]["shared_birth"] is None:
            del content["schedule"]["shared_birth"]  # it came later: runs made before it keep their names
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:8]

    @property
    def run_name(self) -> str:
        """Name of the run folder."""
        return f"{self.name}-{self.digest}"


class Setup(AlignmentSetup):
    """One alignment setup of a learner in a static world, validated whole."""

    world: dict[str, Any]
    learner: dict[str, Any]
    assessor: dict[str, Any]
    schedule: Schedule = Schedule()
    evaluation: Evaluation = Evaluation()
    decision: Decision = Decision()

    _families: ClassVar = {"world": WORLDS, "learner": LEARNERS, "assessor": ASSESSORS}

    def _asked_of_steering(self) -> tuple[str, str]:
        return "assessor.signal", self.assessor["signal"]

    def make_world(self) -> World:
        """The world, with the setup's concepts checked against it."""
        world: World = make_member(WORLDS, self.world)
        world.require(self.intended, *self.proxies, *self.concepts)
        return world

    def make_learner(self, frame: Frame, *, rng: torch.Generator) -> Learner:
        """A newborn learner."""
        cls = LEARNERS.load(self.learner["kind"])
        learner: Learner = cls.born(cls.Settings(**settings_of(self.learner)), frame, rng=rng)
        return learner

    def make_assessor(self, seeds: int, width: int) -> Assessor:
        """An untaught assessor of ``seeds`` learners."""
        cls = ASSESSORS.load(self.assessor["kind"])
        assessor: Assessor = cls(cls.Settings(**settings_of(self.assessor)), seeds, width)
        return assessor

    @property
    def located(self) -> tuple[str, ...]:
        """Concepts that are looked for: intended, proxies, others."""
        return (self.intended, *self.proxies, *self.concepts)


def frame_of(world: World) -> Frame:
    """What a learner is told about ``world``: the shape of one episode."""
    shape = tuple(world.sample(1, rng=torch.Generator().manual_seed(0)).observation.shape[1:])
    if len(shape) != 4:
        raise ImprintError(f"{type(world).__name__} shows {list(shape)} per episode; learners expect [T, C, H, W].")
    return Frame(*shape, action_channels=world.action_channels)


def settings_of(component: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a setup without its kind."""
    return {key: value for key, value in component.items() if key != "kind"}


def make_member(family: Family, component: Mapping[str, Any]) -> Any:
    """The member of ``family`` that a part of a setup describes."""
    cls = family.load(component["kind"])
    return cls(cls.Settings(**settings_of(component)))


def _component(field: str, given: Mapping[str, Any], family: Family) -> dict[str, Any]:
    """``given`` with every default of its kind filled in."""
    if "kind" not in given:
        raise ImprintError(f"{field} has no 'kind'; allowed: {', '.join(family.names())}.")
    cls = family.load(str(given["kind"]))
    try:
        settings = cls.Settings(**settings_of(given))
    except ValidationError as error:
        raise ImprintError(explain(error, prefix=field, model=cls.Settings)) from None
    return {"kind": given["kind"], **json.loads(settings.model_dump_json())}


def explain(error: ValidationError, *, prefix: str = "", model: type[BaseModel] | None = None) -> str:
    """All reasons of a validation error, one a line: field, what came, what is allowed, near miss."""
    lines = []
    for item in error.errors():
        path = ".".join(str(x) for x in ((prefix,) if prefix else ()) + item["loc"])
        if item["type"] == "extra_forbidden":
            owner = _model_at(model, item["loc"][:-1])
            allowed = sorted(owner.model_fields) if owner else []
            hint = near_miss(str(item["loc"][-1]), allowed)
            lines.append(f"{path}: unknown key.{hint}" + (f" Allowed: {', '.join(allowed)}." if allowed else ""))
        elif item["type"] == "missing":
            lines.append(f"{path}: missing; it has no default.")
        else:
            came = "" if isinstance(item.get("input"), dict) else f" (came: {item.get('input')!r})"
            said = item["msg"].removeprefix("Value error, ").rstrip(".")
            lines.append(f"{path}: {said}{came}." if path else f"{said}.")
    return "\n".join(lines)


def _model_at(model: type[BaseModel] | None, path: tuple[Any, ...]) -> type[BaseModel] | None:
    for key in path:
        if model is None or key not in model.model_fields:
            return None
        kind = model.model_fields[key].annotation
        model = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None
    return model


Source = str | Path | Mapping[str, Any] | AlignmentSetup
Changes = Mapping[str, Any] | None
S = TypeVar("S", bound=AlignmentSetup)


@overload
def load_setup(source: Source, *, changes: Changes = None) -> AlignmentSetup: ...


@overload
def load_setup(source: Source, *, changes: Changes = None, expect: type[S]) -> S: ...


def load_setup(
    source: Source, *, changes: Changes = None, expect: type[AlignmentSetup] = AlignmentSetup
) -> AlignmentSetup:
    """A setup from its shipped name, a YAML file, a mapping, or itself.

    With an ``environment`` or an ``agent`` it is an ``AgentSetup``, else a :class:`Setup`; ``expect`` refuses the
    other. ``changes`` are dotted keys -> values, applied before validation (``{"schedule.seeds": 8}``; numbers index
    lists). A YAML file may say ``extends: NAME`` and give only what differs; mappings merge, everything else replaces.
    """
    from imprint.models.agent_setup import AgentSetup  # it builds on this module

    data = _raw(source)
    for key, value in (changes or {}).items():
        _assign(data, key, value)
    kind = AgentSetup if {"environment", "agent"} & data.keys() else Setup
    if not issubclass(kind, expect):
        raise ImprintError(
            f"{data.get('name', 'the setup')} is a setup of {_SUBJECTS[kind.__name__]}; "
            f"expected one of {_SUBJECTS[expect.__name__]}."
        )
    try:
        return kind(**data)
    except ValidationError as error:
        raise ImprintError(explain(error, model=kind)) from None


_SUBJECTS = {"Setup": "a learner in a static world", "AgentSetup": "an agent in an environment"}


def _raw(source: Source) -> dict[str, Any]:
    if isinstance(source, AlignmentSetup):
        return source.resolved()
    if isinstance(source, Mapping):
        return _merged(json.loads(json.dumps(dict(source))))
    shipped = registry.setups()
    path = shipped.get(str(source), Path(source))
    if not path.is_file():
        raise unknown_name("setup", source, shipped, advice="A path to a YAML file works too.")
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ImprintError(f"{path} is not readable YAML: {error}") from None
    if not isinstance(data, dict):
        raise ImprintError(f"{path} holds {type(data).__name__}; expected a mapping of setup fields.")
    return _merged(data)


def _merged(data: dict[str, Any]) -> dict[str, Any]:
    base = data.pop("extends", None)
    if base is None:
        return data

    def merge(old: Any, new: Any) -> Any:
        if isinstance(old, dict) and isinstance(new, dict) and new.get("kind", old.get("kind")) == old.get("kind"):
            return {**old, **{k: merge(old[k], v) if k in old else v for k, v in new.items()}}
        return new

    whole: dict[str, Any] = merge(_raw(base), data)
    return whole


def _assign(data: dict[str, Any], key: str, value: Any) -> None:
    node: Any = data
    *path, last = key.split(".")
    for part in path:
        if isinstance(node, dict):
            node = node.setdefault(part, {})
        elif isinstance(node, list | tuple) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            raise ImprintError(f"--set {key}: {part!r} is not a part of the setup that has settings of its own.")
    if isinstance(node, dict):
        node[last] = value
    elif isinstance(node, list) and last.isdigit() and int(last) < len(node):
        node[int(last)] = value
    else:
        raise ImprintError(f"--set {key}: {last!r} cannot be set there.")
