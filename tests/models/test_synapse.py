from __future__ import annotations

import torch

from imprint.models.synapse import Synapse


def test_many_synapses_with_inputs_of_their_own_find_least_squares_and_obey_the_command() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(4000, 5, generator=rng)
    true, weight, silenced = torch.randn(5, generator=rng), torch.zeros(5), torch.zeros(5)
    synapse = Synapse(0.05)
    for row in x:
        weight = synapse.changed(weight, row, row @ true - row @ weight)
        silenced = synapse.changed(silenced, row, row @ true - row @ silenced, 0.0)
    assert torch.allclose(weight, true, atol=1e-4) and float(silenced.abs().max()) == 0.0


def test_weights_stay_within_bounds() -> None:
    synapse = Synapse(1.0, 0.0, 1.0)
    assert synapse.changed(torch.tensor([0.5, 0.5]), torch.ones(2), torch.tensor([9.0, -9.0])).tolist() == [1.0, 0.0]
