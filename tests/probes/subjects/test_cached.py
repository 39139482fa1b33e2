"""A cache gives what a subject reads, and is refused where it does not hold what was asked for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources import boot_native

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.probes.subjects.cached import from_activation_cache
from imprint.probes.subjects.subject import Subject


@pytest.fixture(scope="module")
def bridge() -> Any:
    config = TransformerBridgeConfig(
        d_model=8, d_head=4, n_heads=2, n_layers=2, d_mlp=16, n_ctx=6, d_vocab=11, act_fn="gelu", device="cpu"
    )
    return boot_native(config).eval()


@pytest.mark.parametrize("position", [None, 2, -1])
def test_a_cache_gives_what_a_subject_reads(bridge: Any, position: int | None) -> None:
    tokens = torch.randint(0, 11, (9, 6), generator=torch.Generator().manual_seed(0))
    _, cache = bridge.run_with_cache(tokens)
    names = ["blocks.0.hook_out", "blocks.1.attn.hook_q"]
    found = from_activation_cache(cache, names, position)
    sites = [name if position is None else f"{name}@{position}" for name in names]
    assert list(found) == sites
    if position is None:
        torch.testing.assert_close(found[sites[1]], cache[names[1]].flatten(1))
    read = Subject(bridge, value=lambda seen: bridge(seen)[:, -1, 0]).activations(tokens, sites[:1])
    torch.testing.assert_close(found[sites[0]], read[sites[0]])


def test_a_cache_is_asked_for_what_it_holds(bridge: Any) -> None:
    tokens = torch.randint(0, 11, (1, 6), generator=torch.Generator().manual_seed(0))
    _, cache = bridge.run_with_cache(tokens)
    with pytest.raises(UnknownNameError, match=r"Did you mean 'blocks\.0\.hook_out'"):
        from_activation_cache(cache, ["blocks.0.hook_outt"])
    with pytest.raises(ImprintError, match="asks for position 9"):
        from_activation_cache(cache, ["blocks.0.hook_out"], 9)
    _, bare = bridge.run_with_cache(tokens, remove_batch_dim=True)
    with pytest.raises(ImprintError, match="no batch axis"):
        from_activation_cache(bare, ["blocks.0.hook_out"])
