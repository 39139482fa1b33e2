from __future__ import annotations

import pytest
import torch

from imprint.models.environments.base import View
from imprint.models.errors import ImprintError
from imprint.models.learning.reward_model import RewardModel, teach

VIEW = View(1, 2, 2, 4)


def born(seed: int) -> RewardModel:
    return RewardModel.born(RewardModel.Settings(widths=(32,)), VIEW, rng=torch.Generator().manual_seed(seed))


def steps(seeds: int, n: int = 1024, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(seeds, n, 1, 2, 2, generator=rng), torch.rand(seeds, n, 1, 2, 2, generator=rng)


def test_a_reward_of_what_changed_is_learned_and_each_seed_learns_its_own() -> None:
    before, after = steps(2)
    change = (after - before).flatten(2)
    reward = torch.stack([change[0, :, 0], change[1, :, 3]])
    models = [born(0), born(1)]
    loss = teach(models, before, after, reward, epochs=60, rows=128, rng=torch.Generator().manual_seed(1))
    assert float(loss.max()) < 0.01
    fresh, later = steps(1, 500, seed=1)
    told = torch.stack([model(fresh[0], later[0]).detach() for model in models])
    change = (later - fresh).flatten(2)[0]
    for own, other in ((0, 3), (3, 0)):
        guess = told[0 if own == 0 else 1]
        assert float(torch.corrcoef(torch.stack([guess, change[:, own]]))[0, 1]) > 0.97
        assert abs(float(torch.corrcoef(torch.stack([guess, change[:, other]]))[0, 1])) < 0.2


def test_a_stack_teaches_what_each_would_be_taught_alone_to_the_bit_when_repeated() -> None:
    before, after = steps(2)
    reward = before[:, :, 0, 0, 0]

    def once() -> torch.Tensor:
        models = [born(0), born(1)]
        teach(models, before, after, reward, epochs=2, rows=256, rng=torch.Generator().manual_seed(3))
        return models[1](before[0], after[0]).detach()

    assert torch.equal(once(), once())


def test_birth_leaves_the_global_random_state_alone() -> None:
    state = torch.random.get_rng_state()
    assert torch.equal(born(4).layers[0].weight, born(4).layers[0].weight)
    assert torch.equal(state, torch.random.get_rng_state())


def test_fewer_steps_than_a_batch_are_refused() -> None:
    before, after = steps(1, 100)
    with pytest.raises(ImprintError, match="at least 512 steps"):
        teach([born(0)], before, after, before[:, :, 0, 0, 0], rng=torch.Generator())
