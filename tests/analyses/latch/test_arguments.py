"""What a latch is given: names, subjects, rules and counts of any kind are used or refused, and never guessed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import imprint
from imprint.analyses.latch.latch import latch_from_arrays
from imprint.models.errors import ImprintError

N = 200
RNG = np.random.default_rng(0)
LABELS = pd.DataFrame({"meant": RNG.integers(0, 2, N), "other": RNG.integers(0, 2, N)})
VALUE = LABELS["meant"].to_numpy() + 0.2 * RNG.normal(size=N)


def answer(value: Any = VALUE, labels: Any = LABELS, **options: Any) -> imprint.Latch:
    given = {"intended": "meant", "proxies": ["other"], "resamples": 50, **options}
    return latch_from_arrays(value, labels, **given)


class Yard(imprint.World):
    """Two signs and noise."""

    factors: Mapping[str, Any] = {"meant": (False, True), "other": (False, True)}

    def draw_noise(self, n: int, rng: torch.Generator) -> Mapping[str, Tensor]:
        return {"around": torch.randn(n, 2, generator=rng)}

    def render(self, concepts: pd.DataFrame, noise: Mapping[str, Tensor]) -> Tensor:
        signs = torch.tensor(concepts[list(self.factors)].to_numpy().astype(float)) * 2 - 1
        return torch.cat([signs.float(), noise["around"]], dim=1)


def network() -> nn.Module:
    model = nn.Sequential(nn.Linear(4, 1)).eval()
    with torch.no_grad():
        model[0].weight[:] = torch.tensor([[1.0, 0.0, 0.1, 0.1]])
    return model


def latched(model: Any = None, world: Any = None, **options: Any) -> imprint.Latch:
    given = {"intended": "meant", "proxies": ["other"], "n": 80, "resamples": 50, **options}
    return imprint.latch(network() if model is None else model, Yard() if world is None else world, **given)


def test_names_groups_twins_and_rules_may_come_in_other_forms() -> None:
    plain = answer()
    assert plain.verdict == "intended"
    numbered = answer(labels=LABELS.set_axis([0, 1], axis=1), intended=0, proxies=(1,))
    np.testing.assert_array_equal(numbered.shares["share"], plain.shares["share"])
    groups = np.arange(N) // 4
    by_name, by_array = answer(labels=LABELS.assign(g=groups), groups="g"), answer(groups=groups)
    np.testing.assert_array_equal(by_name.shares["low"], by_array.shares["low"])
    twins = RNG.normal(size=(3, N))
    np.testing.assert_array_equal(answer(untrained=twins).twins["bound"], answer(untrained=list(twins)).twins["bound"])
    assert answer(decision={"certain": 0.9}).verdict == "intended"
    assert latched().verdict == "intended"  # a module is a subject
    assert latched(untrained=[network()]).twins["share"].iloc[0] > 0.9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": None}, "seed is None"),
        ({"resamples": 20.5}, "resamples is 20.5"),
        ({"decision": {"certan": 0.9}}, "Did you mean 'certain'"),
        ({"decision": 0.9}, "decision is a float"),
        ({"proxies": []}, "proxies is empty"),
        ({"proxies": None}, r"proxies is None; expected a list of concepts, for example \['lamp'\]"),
        ({"untrained": pd.DataFrame({"a": VALUE})}, "untrained is a DataFrame"),
        ({"groups": "episode"}, "unknown column for groups"),
        ({"value": pd.Series(VALUE).sample(frac=1, random_state=0)}, "the same rows in another order"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        answer(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 80.0}, "n is 80.0"),
        ({"world": Yard}, "world is the class Yard"),
        ({"model": lambda x: x[:, 0]}, r"wraps a torch\.nn\.Module.*analyses\.latch\.latch\.latch_from_arrays"),
        ({"attribution": -1}, "attribution is -1"),
    ],
)
def test_what_cannot_be_shown_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ImprintError, match=words):
        latched(**changes)


def changed(**methods: Any) -> imprint.World:
    world: imprint.World = type("Changed", (Yard,), methods)()
    return world


def test_a_world_that_does_not_keep_its_rows_is_refused() -> None:
    with pytest.raises(ImprintError, match="render shows the same factors and noise differently"):
        latched(world=changed(render=lambda self, c, noise: Yard.render(self, c, noise) + torch.randn(len(c), 4)))
    for derive in (lambda self, c: c.sample(frac=1, random_state=0), lambda self, c: c[:-1], lambda self, c: None):
        with pytest.raises(ImprintError, match=r"the table it was given, (80|1) rows in the same order"):
            latched(world=changed(derive=derive))
    for group in (torch.arange(80) / 4, torch.full((80,), torch.nan)):
        noise = {"around": torch.zeros(80, 2), "group": group}
        with pytest.raises(ImprintError, match="expected whole numbers"):
            latched(world=changed(draw_noise=lambda self, n, rng, noise=noise: noise))
    with pytest.raises(ImprintError, match="factor 'meant' has the values"):
        latched(world=changed(factors={"meant": {False, True}, "other": (False, True)}))


def test_a_value_that_may_vary_by_rounding_alone_is_not_said_to_depend_on_nothing() -> None:
    model = network()
    far = latched(imprint.Subject(model, lambda x: model(x)[:, 0] + 2e6))
    assert far.verdict == "undetermined" and "may be rounding" in far.why
    assert latched(imprint.Subject(model, lambda x: model(x)[:, 0] * 0 + 2e6)).verdict == "none"
    assert latched(imprint.Subject(model, lambda x: model(x)[:, 0] + 1e3)).verdict == "intended"


def test_models_that_cannot_run_are_refused_in_a_sentence() -> None:
    with pytest.raises(ImprintError, match=r"what the model gives cannot be computed of .* \[3, 4\]: RuntimeError"):
        latched(nn.Linear(5, 1).eval())
    with pytest.raises(ImprintError, match="NotImplementedError"):
        latched(nn.ModuleList([network()]))
    with pytest.raises(ImprintError, match="meta device"):
        latched(network().to("meta"))
    model = network()
    with pytest.raises(ImprintError, match=r"the value cannot be computed .*KeyError: 'reward'"):
        latched(imprint.Subject(model, lambda x: {}["reward"]))
    with pytest.raises(ImprintError, match="complex numbers"):
        latched(imprint.Subject(model, lambda x: torch.complex(x[:, 0], x[:, 1])))
