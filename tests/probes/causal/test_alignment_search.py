"""The search finds a planted subspace, nothing where nothing is, and what another implementation finds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from transformer_lens import HookedRootModule
from transformer_lens.hook_points import HookPoint
from transformer_lens.tools.analysis import fit_das

from imprint.models.errors import ImprintError, NotMeasurableError
from imprint.probes.causal.alignment_search import Budget, Pairs, learn, search
from imprint.probes.interventions.base import edited_values, random_basis
from imprint.probes.interventions.interchange import Interchange
from imprint.probes.subjects.guards import registered_hooks
from imprint.probes.subjects.subject import Subject

QUICK = Budget(steps=150, batch=128)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Product(HookedRootModule):
    """Two signs in a rotated 10-dimensional site; the value is their product, so neither is in the output alone."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.turn = nn.Linear(10, 10, bias=False)
        self.turn.weight = nn.Parameter(random_basis(10, 10, rng=rng(seed)).float())
        self.site, self.late = HookPoint(), HookPoint()
        self.setup()
        self.eval()

    def forward(self, observation: Tensor) -> Tensor:
        """Logits ``[n, 2]``."""
        signs = torch.tanh(3 * (self.site(self.turn(observation)) @ self.turn.weight)[:, :2])
        logit = self.late(3 * signs[:, :1] * signs[:, 1:])
        return torch.cat([torch.zeros_like(logit), logit], dim=1)

    def value(self, observation: Tensor) -> Tensor:
        logits: Tensor = self(observation)
        return logits[:, 1] - logits[:, 0]

    def subject(self) -> Subject:
        return Subject(self, self.value, ["site", "late"])


def untrained() -> Subject:
    """A network that was never told about signs, with a site of the same name and width."""
    model = nn.Sequential()
    for name, layer in (("site", nn.Linear(10, 10)), ("relu", nn.ReLU()), ("value", nn.Linear(10, 1))):
        for parameter in layer.parameters():
            nn.init.normal_(parameter, generator=rng(3))
        model.add_module(name, layer)
    return Subject(model, sites=["site"])


def observed(n: int, seed: int) -> Tensor:
    """Two signs, with spread around them, and eight bystanders."""
    noise = torch.randn(n, 10, generator=rng(seed))
    noise[:, :2] = (
        (0.2 * noise[:, :2]).clamp(-0.6, 0.6) + 2 * torch.randint(0, 2, (n, 2), generator=rng(seed + 900)) - 1
    )
    return noise


def pairs(n: int = 1200, *, numbers: bool = False, seed: int = 0) -> tuple[Pairs, Tensor]:
    """Pairs that take the first sign from the source; and the targets if a bystander's sign were what counts."""
    base, source = observed(n, seed), observed(n, seed + 1)
    label = base[:, 1] * source[:, 0] > 0
    wrong = (base[:, 0] * base[:, 1] > 0) ^ (base[:, 7] * source[:, 7] < 0)
    if not numbers:
        return Pairs(base, source, label), wrong
    first, second = torch.tanh(3 * source[:, 0]), torch.tanh(3 * base[:, 1])
    return Pairs(base, source, 3 * first * second), wrong.float()


def test_the_planted_direction_is_found_and_every_placebo_is_at_chance() -> None:
    both, wrong = pairs()
    model = Product()
    wrong_searches = {"wrong_site": "late", "untrained": untrained(), "wrong_target": wrong}
    found = search(model.subject(), "site", both, rank=1, budget=QUICK, rng=rng(), **wrong_searches)  # type: ignore[arg-type]
    planted = model.turn.weight[:, 0].detach().double()
    assert abs(float(found.basis[:, 0] @ planted)) > 0.99
    assert found.score() > 0.98
    for control in ("no interchange", "constant answer", "untrained rotation", "wrong site", "untrained model"):
        assert found.score(control) == pytest.approx(0.5, abs=0.16), control
    assert found.score("wrong variable") == pytest.approx(0.5, abs=0.12)
    assert found.score("norm-matched random") < 0.85


def test_numbers_are_reached_as_numbers() -> None:
    both, wrong = pairs(numbers=True)
    found = search(Product().subject(), "site", both, rank=1, budget=QUICK, wrong_target=wrong, rng=rng())
    table = found.table.set_index("control")
    assert found.score() > 0.97 and table["low"]["learned"] > 0.9
    assert table["low"]["learned"] <= found.score() <= table["high"]["learned"]
    assert found.score("constant answer") == 0.0
    assert found.score("no interchange") < 0.2 and found.score("untrained rotation") < 0.4
    assert found.score("wrong variable") < 0.2
    assert table["draws"]["wrong site"] == 0 and np.isnan(table["score"]["wrong site"])


def test_same_accuracy_as_another_implementation_on_a_model_both_can_read() -> None:
    model, (both, _) = Product(), pairs()
    held = pairs(2000, seed=50)[0]
    subject = model.subject()
    ours = learn(subject, "site", both, rank=1, budget=QUICK, rng=rng())
    theirs = fit_das(
        model, "site", both.base, both.source, both.target.long(), model, rank=1, epochs=25, batch_size=128, lr=0.03
    ).basis
    source = subject.activations(held.source, ["site"])["site"]
    accuracy = [
        float(
            ((edited_values(subject, held.base, {"site": Interchange(source, basis)}) > 0) == held.target)
            .float()
            .mean()
        )
        for basis in (ours, theirs)
    ]
    assert accuracy[0] == pytest.approx(accuracy[1], abs=0.01) and accuracy[1] > 0.97
    assert abs(float(ours[:, 0] @ theirs[:, 0].double())) > 0.99


def test_interval_is_clopper_pearson_for_lone_pairs_and_wider_for_groups() -> None:
    both, _ = pairs(600)
    lone = search(Product().subject(), "site", both, rank=1, budget=Budget(steps=5), rng=rng()).table.iloc[0]
    k, n = round(lone["score"] * lone["n"]), lone["n"]
    assert lone["low"] == pytest.approx(stats.beta.ppf(0.025, k, n - k + 1))
    assert lone["high"] == pytest.approx(stats.beta.ppf(0.975, k + 1, n - k))
    copies = Pairs(
        *(part.repeat_interleave(6, 0) for part in (both.base, both.source, both.target)), np.arange(3600) // 6
    )
    same = search(Product().subject(), "site", copies, rank=1, budget=Budget(steps=5), rng=rng()).table.iloc[0]
    naive = stats.binomtest(round(same["score"] * same["n"]), int(same["n"])).proportion_ci()
    assert same["high"] - same["low"] > 1.8 * (naive.high - naive.low)


def test_groups_never_straddle_the_split() -> None:
    seen: list[set[int]] = []

    class Watched(Subject):
        def activations(self, observation: Tensor, *args: object, **options: object) -> dict[str, Tensor]:
            seen.append({int(row) for row in observation[:, 9]})
            return super().activations(observation, *args, **options)  # type: ignore[arg-type]

    both, _ = pairs(300)
    group = torch.arange(300) // 10
    both.source[:, 9] = group.float()
    model = Product()
    watched = Watched(model, model.value, ["site"])
    search(
        watched, "site", Pairs(both.base, both.source, both.target, group.numpy()), rank=1, budget=Budget(3), rng=rng()
    )
    fitted, judged = seen[0], seen[1]
    assert fitted | judged == set(range(30)) and not fitted & judged


def test_the_model_is_left_as_it_was_and_the_same_seed_gives_the_same_result() -> None:
    model, (both, _) = Product(), pairs(400)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.random.get_rng_state()
    with torch.no_grad():
        one, two = (search(model.subject(), "site", both, rank=2, budget=Budget(20), rng=rng(4)) for _ in range(2))
    assert torch.equal(one.basis, two.basis)
    pd.testing.assert_frame_equal(one.table, two.table, check_exact=True)
    assert torch.equal(state, torch.random.get_rng_state())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert not list(registered_hooks(model))
    torch.testing.assert_close(one.basis.T @ one.basis, torch.eye(2, dtype=torch.float64))


def test_frozen_models_can_be_searched() -> None:
    model, (both, _) = Product(), pairs(400)
    model.requires_grad_(False)
    assert learn(model.subject(), "site", both, rank=1, budget=Budget(steps=5), rng=rng()).shape == (10, 1)


def test_slips() -> None:
    both, _ = pairs(40)
    subject = Product().subject()
    with pytest.raises(ImprintError, match="40 bases, 39 sources"):
        Pairs(both.base, both.source[1:], both.target)
    with pytest.raises(ImprintError, match="labels must be 0 or 1"):
        replace(both, target=torch.arange(40))
    with pytest.raises(ImprintError, match="targets hold NaN"):
        replace(both, target=torch.full((40,), float("nan")))
    with pytest.raises(ImprintError, match="expected 1 to 10"):
        search(subject, "site", both, rank=11, rng=rng())
    with pytest.raises(NotMeasurableError, match="all the same"):
        search(subject, "site", replace(both, target=torch.ones(40).bool()), rank=1, rng=rng())
    blind = Subject(Product(), lambda x: torch.sign(subject.model(x)[:, 1]).detach(), ["site"])
    with pytest.raises(ImprintError, match="ran module 'site' 0 times"):
        learn(blind, "site", both, rank=1, budget=QUICK, rng=rng())
    model = Product()
    stepped = Subject(model, lambda x: (model(x)[:, 1] > 0).float(), ["site"])
    with pytest.raises(ImprintError, match="no gradient in 'site'"):
        learn(stepped, "site", both, rank=1, budget=QUICK, rng=rng())
