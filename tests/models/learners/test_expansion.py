from __future__ import annotations

import pytest
import torch

from imprint.models.errors import ImprintError
from imprint.models.learners.base import Frame
from imprint.models.learners.expansion import Expansion
from imprint.models.learners.layers import Layers
from imprint.models.learning.cohort import Cohort
from imprint.models.learning.ruled import RuledCohort
from imprint.models.rules.three_factor import ThreeFactor

FRAME = Frame(5, 2, 6, 6)


def learners(count: int = 2, **settings: object) -> list[Expansion]:
    plan = Expansion.Settings.model_validate({"width": 60, "in_degree": 4, "radius": 3.0, "window": 2, **settings})
    return [Expansion.born(plan, FRAME, rng=torch.Generator().manual_seed(seed)) for seed in range(count)]


def scenes(n: int = 40) -> torch.Tensor:
    """Two seeds' episodes in which one of two pictures is shown throughout."""
    rng = torch.Generator().manual_seed(5)
    pictures = torch.rand(2, 2, 6, 6, generator=rng)
    return pictures[torch.randint(0, 2, (2, n), generator=rng)][:, :, None].expand(-1, -1, 5, -1, -1, -1).clone()


def test_the_wiring_stays_as_it_was_born_and_the_readout_learns() -> None:
    born = learners()
    cohort, seen = Cohort(born, 0.01), scenes()
    before, first = cohort.member(0)["wires"].clone(), cohort.learn(seen)
    for _ in range(60):
        last = cohort.learn(seen)
    assert torch.equal(cohort.member(0)["wires"], before) and torch.equal(first.latents, last.latents)
    assert bool((last.loss < 0.2 * first.loss).all())
    assert not torch.equal(born[0].wires, born[1].wires)


def test_a_three_factor_readout_learns_on_it() -> None:
    cohort = RuledCohort(learners(), 0.01, ThreeFactor(ThreeFactor.Settings()), (0, 1))
    seen = scenes()
    first = cohort.learn(seen).loss
    losses = torch.stack([cohort.learn(seen).loss for _ in range(300)])
    assert bool((losses[-20:].mean(0) < 0.6 * first).all())


def test_few_units_speak_and_each_of_them_hears_its_surroundings_alone() -> None:
    learner = learners(1)[0]
    seen = torch.rand(3, 5, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    assert bool(((learner.latents(seen) > 0).sum(-1) == 6).all())
    corner = learner.wires[0].unflatten(0, (2, 2, 6, 6))
    assert float(corner[..., 4:, :].abs().sum() + corner[..., :, 4:].abs().sum()) == 0.0


def test_settings_that_do_not_fit_the_frames_are_refused() -> None:
    with pytest.raises(ImprintError, match="in_degree is 40, but some unit has only 16 inputs within a radius of 2"):
        learners(1, in_degree=40, radius=2.0)
    with pytest.raises(
        ImprintError, match=r"window is 6, but episodes of this world have 5 frames; expected at most 5"
    ):
        learners(1, window=6)
    with pytest.raises(ImprintError, match="window is 6, but episodes"):
        Layers(Layers.Settings(window=6), FRAME)
