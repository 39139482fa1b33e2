"""The network reads what no linear probe reads, and is no worse than one where the concept is linear."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from imprint.models.errors import ImprintError
from imprint.probes.readouts.logistic import Logistic
from imprint.probes.readouts.mlp import Mlp
from imprint.probes.readouts.ridge import Ridge
from imprint.probes.subjects.subject import Subject
from tests.known.labelled import Array, planted, rows


def exclusive_or(n: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    bits = rng.integers(0, 2, (n, 2))
    x = 0.3 * rng.normal(size=(n, 16))
    x[:, :2] += 2 * bits - 1
    return x, bits[:, 0] ^ bits[:, 1]


def test_exclusive_or_is_there_but_not_linear() -> None:
    train, test = exclusive_or(2000, 0), exclusive_or(4000, 1)
    assert Ridge().fit(*train).score(*test) == pytest.approx(0.506, abs=0.02)
    assert Logistic().fit(*train).score(*test) == pytest.approx(0.506, abs=0.02)
    assert Mlp().fit(*train).score(*test) == pytest.approx(0.998, abs=0.003)


def test_mlp_is_no_worse_than_a_linear_readout_where_the_concept_is_linear() -> None:
    x, y = planted(5000, 2.0, seed=0)
    network, line = (readout.fit(x[:1000], y[:1000]).score(x[1000:], y[1000:]) for readout in (Mlp(), Logistic()))
    assert network > line - 0.02


def test_mlp_reads_in_torch_what_its_engine_reads() -> None:
    x, y = rows(3, n=40)
    fitted = Mlp(hidden=5, passes=3).fit(x, y).fitted_
    assert [list(part.shape) for part in fitted.tensors().values()] == [[10, 5], [5], [5, 3], [3]]
    hidden = np.maximum(x @ fitted.hidden_weight.numpy() + fitted.hidden_bias.numpy(), 0)
    reading = hidden @ fitted.weight.numpy() + fitted.bias.numpy()
    np.testing.assert_allclose(fitted(torch.from_numpy(x)).numpy(), reading, rtol=1e-10)


def test_mlp_stops_on_groups_it_has_never_seen() -> None:
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(40), 25)
    y = rng.integers(0, 2, 40)[group]
    x = 2 * rng.normal(size=(40, 30))[group] + 0.1 * rng.normal(
        size=(1000, 30)
    )  # groups differ, the concept is not there
    surer = np.abs(Mlp().fit(x, y).decision_function(x)).mean()
    unsure = np.abs(Mlp().fit(x, y, groups=group).decision_function(x)).mean()
    assert unsure < 0.5 * surer


def test_mlp_seeds_draw_different_networks() -> None:
    x, y = rows()
    one, two = (Mlp(seed=seed, passes=3).fit(x, y).fitted_.hidden_weight for seed in (0, 1))
    assert not torch.allclose(one, two)


def test_mlp_can_be_the_value_of_a_subject() -> None:
    train = exclusive_or(2000, 0)
    fitted = Mlp().fit(*train).fitted_
    model = nn.Sequential(nn.Linear(16, 16, bias=False), nn.Linear(16, 1))
    with torch.no_grad():
        model[0].weight.copy_(torch.eye(16))
    observation = torch.from_numpy(train[0][:200]).float().requires_grad_()
    value = Subject(model).reading("0", fitted).value_with_grad(observation)
    (gradient,) = torch.autograd.grad(value.sum(), observation)
    torch.testing.assert_close(value.double(), fitted(observation.detach())[:, 0], atol=1e-5, rtol=1e-5)
    assert float(gradient[:, :2].abs().mean()) > 5 * float(gradient[:, 2:].abs().mean())


@pytest.mark.parametrize("setting", ["hidden", "passes"])
def test_mlp_refuses_impossible_settings(setting: str) -> None:
    with pytest.raises(ImprintError, match=f"{setting} is 0; expected a whole number"):
        Mlp(**{setting: 0}).fit(*rows())
