"""How a subject shows itself: in a line, and as a card in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd
from torch import nn

from imprint.models.notebook import card
from imprint.probes.subjects.proposals import listed


def subject_line(model: nn.Module, value: Any, declared: Iterable[str], modules: Iterable[str]) -> str:
    """The line: its class, where its ``value`` comes from, and the ``declared`` sites or else the ``modules``."""
    named = list(declared)
    sites = f"declared sites: {listed(named)}" if named else f"modules: {listed(modules)}"
    return f"Subject({type(model).__name__}, value: {_called(value)}; {sites})"


def subject_card(model: nn.Module, value: Any, declared: Iterable[str], modules: Iterable[str]) -> str:
    """The card of the same, with the kind of every site."""
    kinds, named = dict(model.named_modules()), list(declared)
    sites = [(name, type(kinds[name]).__name__ if name in kinds else "") for name in named or modules]
    weights = sum(parameter.numel() for parameter in model.parameters())
    first = f"No verdict: a {type(model).__name__} with {weights:,} weights, ready to be examined."
    caption = "Sites that were declared." if named else "Modules that can be named as sites."
    return card(first, [f"Its value is {_called(value)}."], pd.DataFrame(sites, columns=["site", "module"]), caption)


def _called(value: Any) -> str:
    return "the model's output" if value is None else getattr(value, "__name__", "a callable")
