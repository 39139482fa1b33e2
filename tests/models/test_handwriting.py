from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from imprint.models.handwriting import splits


def test_each_seed_has_a_split_of_its_own_that_leaves_nothing_out_and_nothing_twice() -> None:
    split = splits([3, 4])
    assert split.x.shape == (2, 1347, 64) and split.tests.shape == (2, 450, 64)
    assert not torch.equal(split.y[0], split.y[1])
    whole = torch.cat([split.x[0], split.tests[0]]).sum(1).sort().values
    everything = torch.from_numpy(load_digits().data / 16).float().sum(1).sort().values
    assert torch.allclose(whole, everything, atol=1e-4)
    assert torch.equal(splits([4]).tests[0], split.tests[1])
    assert float(split.answers[0].bincount().float().std()) < 2
