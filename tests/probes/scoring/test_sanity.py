"""Checks of attributions: a method that ignores the model is caught, and a mask that tells the class is no evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.datasets import load_digits
from torch import Tensor, nn

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.attributions.base import Attribution, Attributor
from imprint.probes.attributions.gradient_times_input import GradientTimesInput
from imprint.probes.attributions.integrated_gradients import IntegratedGradients
from imprint.probes.attributions.layer_conductance import LayerConductance
from imprint.probes.scoring.sanity import randomised_stages, randomised_weights, rank_correlations, retrain
from imprint.probes.subjects.subject import Subject


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def network() -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 16), nn.Tanh(), nn.Linear(16, 1))


def digits(n: int = 600) -> tuple[Tensor, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return torch.tensor(x[:n], dtype=torch.float32) / 16, y[:n]


@dataclass(frozen=True, kw_only=True)
class Drawing(Attributor):
    """Shows the observation and never looks at the model, as an edge detector does."""

    complete: ClassVar[bool] = False

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        return observation - baseline


@dataclass(frozen=True, kw_only=True)
class SignedInput(GradientTimesInput):
    """Takes the sign from the model and the size from the observation."""

    def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
        return super().attribute(subject, observation, baseline).sign() * (observation - baseline).abs()


def attribution(values: Tensor) -> Attribution:
    n = len(values)
    return Attribution(values, torch.ones(n), torch.zeros(n), torch.zeros(1, *values.shape[1:]))


# -- randomised weights ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [IntegratedGradients(baseline="zeros"), GradientTimesInput(baseline="zeros")])
def test_a_method_that_explains_the_model_passes_though_absolute_values_look_alike(method: Attributor) -> None:
    found = randomised_weights(Subject(network()), digits(40)[0], method, rng=rng())
    assert found.verdict == "depends on the weights" and abs(found.signed) < 0.25
    assert found.absolute > found.signed + 0.3 and abs(found.size) < 0.25
    assert found.table["module"].tolist() == ["4", "2", "0"] and found.table["n"].tolist() == [200] * 3


def test_a_method_that_ignores_the_model_is_caught() -> None:
    found = randomised_weights(Subject(network()), digits(40)[0], Drawing(), rng=rng())
    assert found.verdict == "does not depend on the weights" and found.signed == pytest.approx(1)


def test_a_method_that_takes_only_the_sign_from_the_model_is_caught() -> None:
    x = torch.randn(40, 64, generator=rng(1))
    found = randomised_weights(Subject(network()), x, SignedInput(baseline="zeros"), rng=rng())
    assert abs(found.signed) < 0.25 and found.absolute == found.size == pytest.approx(1)
    assert found.verdict == "does not depend on the weights"
    honest = randomised_weights(Subject(network()), x, GradientTimesInput(baseline="zeros"), rng=rng())
    assert abs(honest.size) < 0.25 and honest.verdict == "depends on the weights"


def test_the_model_is_put_back_also_after_an_error() -> None:
    model, x = network(), digits(20)[0]
    before, tensors = {k: v.clone() for k, v in model.state_dict().items()}, [p.data_ptr() for p in model.parameters()]
    randomised_weights(Subject(model), x, IntegratedGradients(), draws=2, rng=rng())

    class Broken(GradientTimesInput):
        def attribute(self, subject: Subject, observation: Tensor, baseline: Tensor) -> Tensor:
            if not torch.equal(model[4].weight, before["4.weight"]):
                raise RuntimeError("boom")
            return super().attribute(subject, observation, baseline)

    with pytest.raises(RuntimeError, match="boom"):
        randomised_weights(Subject(model), x, Broken(), rng=rng())
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert [p.data_ptr() for p in model.parameters()] == tensors


def test_attributions_that_vanish_leave_it_undetermined() -> None:
    subject = Subject(network(), lambda seen: network()(seen).reshape(-1) * 0 + seen.sum(1) * 0)
    with pytest.raises(NotMeasurableError, match="no module that the value runs has weights"):
        randomised_weights(subject, digits(20)[0], IntegratedGradients(), rng=rng())
    model = network()
    flat = Subject(model, lambda seen: model(seen).reshape(-1) * 0 + seen.sum(1) * 0)
    found = randomised_weights(flat, digits(20)[0], IntegratedGradients(), rng=rng())
    assert found.verdict == "undetermined" and np.isnan(found.signed) and found.table["n"].tolist() == [0, 0, 0]


def test_weights_of_modules_that_never_run_alone_belong_to_the_one_above() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention, self.unused = nn.MultiheadAttention(4, 2, batch_first=True), nn.Linear(4, 4)
            self.scale = nn.Parameter(torch.ones(4))

        def forward(self, x: Tensor) -> Tensor:
            return (self.attention(x, x, x)[0] * self.scale).sum((1, 2))

    subject = Subject(Attention().eval())
    stages = randomised_stages(subject, torch.randn(2, 3, 4, generator=rng()))
    assert [(name, len(held)) for name, held in stages] == [("", 3), ("attention", 4)]


def test_rank_correlations_are_scipys_over_the_chosen_elements() -> None:
    draw = np.random.default_rng(0)
    a, b = draw.integers(0, 6, (2, 9, 20)).astype(np.float32)
    use = draw.random((9, 20)) < 0.7
    a[8] = 1
    found = rank_correlations(a, b, use)
    expected = [spearmanr(a[i][use[i]], b[i][use[i]]).statistic for i in range(8)]
    np.testing.assert_allclose(found[:8], expected, atol=1e-12)
    assert np.isnan(found[8])


# -- retraining ------------------------------------------------------------------------------------------------------


def planted(n: int = 300) -> tuple[Tensor, np.ndarray]:
    """Three elements tell the class (0 or 1), nine are noise."""
    draw = np.random.default_rng(1)
    y = draw.integers(0, 2, n)
    x = draw.normal(size=(n, 12)) * 3
    x[:, :3] = (2 * y - 1)[:, None] + draw.normal(size=(n, 3)) * 0.2
    return torch.tensor(x, dtype=torch.float32), y


def test_removing_the_informative_elements_is_evidence() -> None:
    x, y = planted()
    found = retrain(
        x, attribution((torch.arange(12) < 3).float().expand(300, 12)), y, shares=(0.25,), rng=np.random.default_rng(0)
    )
    table = found.table.set_index("ranking")
    assert found.accuracy > 0.95 and 0.4 < found.chance < 0.6 and found.n == 300
    assert table.loc["attribution", "evidence"] and table.loc["attribution", "accuracy"] < 0.6
    assert table.loc["random", "evidence"] and table.loc["random", "accuracy"] > 0.9
    assert table.loc["variance", "accuracy"] > 0.95


def test_a_mask_that_tells_the_class_is_called_a_leak() -> None:
    x, y = planted()
    outline = torch.zeros(300, 12)
    outline[torch.arange(300), torch.as_tensor(3 + y)] = 1
    found = retrain(x, attribution(outline), y, shares=(1 / 12,), rng=np.random.default_rng(0)).table.set_index(
        "ranking"
    )
    leak = found.loc["attribution"]
    assert not leak["evidence"] and leak["why"] == "the mask leaks the class" and leak["mask_accuracy"] > 0.95
    assert (
        found.loc[["random", "variance"], "evidence"].all() and (found.loc[["random", "variance"], "why"] == "").all()
    )


def test_gradient_times_input_leaks_the_digit() -> None:
    x, y = digits()
    model = nn.Sequential(nn.Linear(64, 10))
    attribution = GradientTimesInput(baseline="zeros")(Subject(model).output(3), x)
    found = retrain(x, attribution, y, shares=(0.5, 0.9), shuffles=19, rng=np.random.default_rng(0))
    table = found.table.set_index(["ranking", "share"])
    assert found.accuracy > 0.9 and found.chance < 0.2
    assert table.loc[("attribution", 0.5), "mask_accuracy"] > 0.6
    assert not table.loc["attribution", "evidence"].any()
    assert table.loc[("random", 0.9), "accuracy"] < 0.6 and table.loc["variance", "evidence"].all()


def test_groups_are_held_out_whole() -> None:
    draw = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 10)
    y = draw.integers(0, 2, 40)[groups]
    x = torch.tensor(draw.normal(size=(40, 12))[groups] * 3 + draw.normal(size=(400, 12)) * 0.1, dtype=torch.float32)
    nothing = attribution(torch.zeros(400, 12))
    together = retrain(x, nothing, y, groups=groups, shares=(0.5,), shuffles=19, rng=np.random.default_rng(0))
    leaky = retrain(x, nothing, y, shares=(0.5,), shuffles=19, rng=np.random.default_rng(0))
    assert leaky.accuracy > 0.9 and together.accuracy < 0.75


def test_slips() -> None:
    x, y = planted()
    with pytest.raises(NotMeasurableError, match="of 1 classes"):
        retrain(x, attribution(x), np.zeros(300), rng=np.random.default_rng(0))
    with pytest.raises(NotMeasurableError, match="299 labels"):
        retrain(x, attribution(x), y[1:], rng=np.random.default_rng(0))
    with pytest.raises(ImprintError, match="units of site '1'"):
        randomised_weights(Subject(network()), digits(9)[0], LayerConductance(site="1"), rng=rng())
