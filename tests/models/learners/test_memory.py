"""What a memory that starts empty gives back: chance at no writes, all of it up to its capacity, and then no more."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Frame
from imprint.models.learners.memory import Memory, imprinted, settled
from imprint.models.learning.cohort import Cohort
from imprint.models.learning.written import WrittenCohort

N = 500


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def patterns(count: int, seed: int = 0) -> Tensor:
    return 2.0 * torch.randint(0, 2, (count, N), generator=rng(seed)) - 1.0


def recalled(written: int) -> float:
    """Share of right bits when a tenth of the bits of written patterns (or of new ones, at no writes) is flipped."""
    shown = patterns(written or 50)
    weight = imprinted(torch.zeros(N, N), shown[:written], fading=0.0)
    cue = torch.where(torch.rand(shown.shape, generator=rng(1)) < 0.1, -shown, shown)
    state = settled(weight, cue, held=0, steps=30)
    return float(((state == shown).float() + 0.5 * (state == 0).float()).mean())


def test_a_hopfield_memory_recalls_at_chance_when_empty_and_all_up_to_its_capacity() -> None:
    assert recalled(0) == 0.5
    assert min(recalled(int(part * N)) for part in (0.02, 0.06, 0.1, 0.12)) >= 0.95
    assert recalled(int(0.25 * N)) < 0.8  # beyond .138 N the memories are lost together (Amit et al. 1985)


def test_old_patterns_fade() -> None:
    old, new = patterns(10), patterns(10, seed=5)
    kept, weight = imprinted(torch.zeros(N, N), old, 0.0), imprinted(torch.zeros(N, N), old, 0.0)
    for seed in range(60):
        weight = imprinted(weight, patterns(2, seed=100 + seed), 0.1)
    weight = imprinted(weight, new, 0.1)
    whole = torch.zeros(N, N)
    assert torch.equal(settled(kept, old, held=0, steps=10), old)
    assert float((settled(weight, new, held=0, steps=10) == new).float().mean()) > 0.95
    assert float((settled(weight, old, held=0, steps=10) == old).float().mean()) < 0.8
    assert not settled(whole, torch.zeros(1, N), held=0, steps=3).any()


def memory(**settings: object) -> tuple[Memory, Tensor]:
    """A newborn memory, and 30 episodes of noise."""
    learner = Memory.born(Memory.Settings.model_validate(settings), Frame(4, 3, 4, 4), rng=rng(0))
    return learner, torch.randn(30, 4, 3, 4, 4, generator=rng(1))


def taught(learner: Memory, observation: Tensor, times: int = 1) -> Memory:
    """The memory after so many writes of a batch."""
    cohort = WrittenCohort([learner])
    for _ in range(times):
        cohort.learn(observation[None])
    return cohort.unstack()[0]


def right(learner: Memory, observation: Tensor) -> float:
    """Share of right bits of what comes next; one half where nothing is recalled."""
    found = learner.latents(observation)[:, :-1, learner.s.bits // 2 :]
    return float((0.5 + 0.5 * torch.sign(found) * learner.values(observation)).mean())


def test_pairs_are_recalled_until_the_places_are_full() -> None:
    learner, shown = memory(places=90, writes=90)
    assert right(learner, shown) == 0.5
    assert right(taught(learner, shown), shown) >= 0.95
    small, _ = memory(places=9, writes=90)
    small = taught(small, shown)
    assert int((small.patterns != 0).all(1).sum()) == 9 and right(small, shown) < 0.8


def test_what_is_used_least_makes_way() -> None:
    learner, shown = memory(places=6, writes=3)
    learner = taught(learner, shown[:2, :], times=2)
    assert (learner.patterns != 0).all()
    before = learner.patterns.clone()
    learner.use.copy_(torch.tensor([9.0, 0.0, 9.0, 0.0, 9.0, 0.0]))
    after = taught(learner, shown[10:11]).patterns
    assert sorted(torch.nonzero((after == before).all(1)).flatten().tolist()) == [0, 2, 4]


def test_hopfield_memories_of_sequences_recall_what_came_next() -> None:
    learner, shown = memory(store="hopfield", bits=400, writes=12, fading=0.0)
    episodes = shown[:4]
    assert right(learner, episodes) == 0.5
    assert right(taught(learner, episodes), episodes) >= 0.95


def test_no_gradient_reaches_what_is_written() -> None:
    learner, shown = memory()
    assert not learner.objective(shown).loss.requires_grad
    with pytest.raises(ImprintError, match="no gradient reaches it"):
        Cohort([learner], 0.1)
    with pytest.raises(ImprintError, match="no gradient"):
        WrittenCohort([learner]).learn(shown[None], lambda latents: latents.sum((1, 2, 3)))
    with pytest.raises(ValueError, match="even number"):
        Memory.Settings(bits=7)


def test_what_is_seen_has_a_gradient_for_attributions_and_bits_stay_bits() -> None:
    learner, shown = memory()
    learner = taught(learner, shown)
    seen = shown.clone().requires_grad_()
    latents = learner(seen)
    (gradient,) = torch.autograd.grad(latents.square().sum() + latents.sum(), seen)
    assert gradient.abs().sum(dim=(2, 3, 4)).gt(0).all()
    assert set(latents[..., : learner.s.bits // 2].unique().tolist()) == {-1.0, 1.0}


def test_a_kept_memory_goes_on_as_if_it_had_not_been_kept() -> None:
    (one, shown), (two, _) = memory(places=20, writes=3), memory(places=20, writes=3)
    whole, part = WrittenCohort([one]), WrittenCohort([two])
    for _ in range(3):
        whole.learn(shown[None])
    part.load([whole.state(0)])
    assert torch.equal(whole.learn(shown[None]).loss, part.learn(shown[None]).loss)
    assert torch.equal(whole.parameters["patterns"], part.parameters["patterns"])
