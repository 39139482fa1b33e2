"""Every numeric setting of every family has an upper and a lower bound, so that no slip asks for the impossible."""

from __future__ import annotations

import importlib
import pkgutil
import types
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel, ValidationError

import imprint.analyses
import imprint.models
from imprint.analyses.questions.base import MOST, QuestionSettings
from imprint.models.settings import FrozenSettings

UNBOUNDED = {"ages", "worlds", "varied", "long_varied"}
"""Checked by validators of their own."""


def settings_classes() -> list[type[BaseModel]]:
    for package in (imprint.models, imprint.analyses):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(module.name)
    found: list[type[BaseModel]] = []
    waiting: list[type[BaseModel]] = [FrozenSettings]
    while waiting:
        kind = waiting.pop()
        found.append(kind)
        waiting += kind.__subclasses__()
    return [kind for kind in found if kind.__module__.startswith("imprint.")]


def numeric(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, types.UnionType):
        return any(numeric(part) for part in get_args(annotation))
    return annotation in (int, float)


@pytest.mark.parametrize("kind", settings_classes(), ids=lambda kind: f"{kind.__module__[8:]}.{kind.__qualname__}")
def test_numbers_are_bounded(kind: type[BaseModel]) -> None:
    for name, field in kind.model_fields.items():
        if numeric(field.annotation) and name not in UNBOUNDED:
            bounds = " ".join(map(repr, field.metadata))
            bounded = "le=" in bounds or "lt=" in bounds
            if not bounded and issubclass(kind, QuestionSettings):
                with pytest.raises(ValidationError, match=f"(?s){name}.*expected at most"):
                    kind.model_validate({name: MOST + 1})
            else:
                assert bounded, f"{name} has no upper bound"
