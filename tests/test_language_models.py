"""The snippets of docs/language-models.md on small models, trained to value one thing or not trained at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources import boot_native
from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM

import imprint
from imprint.probes.attributions.layer_integrated_gradients import LayerIntegratedGradients
from imprint.probes.discovery.sparse_autoencoder import SparseAutoencoder
from imprint.probes.exchange.probe_files import ProbeCard, load_probe, save_probe
from imprint.probes.exchange.sae_lens import load_sae_lens, save_sae_lens
from imprint.probes.readouts.ridge import Ridge

PAGE = Path(__file__).resolve().parent.parent / "docs" / "language-models.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
MODELS = (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, TransformerBridgeConfig)
INSTRUMENTS = (LayerIntegratedGradients, SparseAutoencoder, ProbeCard, Ridge)
FILES = (load_probe, save_probe, load_sae_lens, save_sae_lens)
NAMES = {made.__name__: made for made in (*MODELS, *INSTRUMENTS, *FILES)} | {
    "imprint": imprint,
    "torch": torch,
    "boot_native": boot_native,
}
"""What the snippets import."""
KINDS = {"gpt2": 1, "llama": 3, "bridge": 5}
"""Kind of model -> number of the block that makes it; the next one asks."""


def start(kind: str) -> dict[str, Any]:
    """Names after the world and an untrained model were made, each the same in every process."""
    names: dict[str, Any] = dict(NAMES)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        exec(BLOCKS[0] + BLOCKS[KINDS[kind]], names)
    return names


def train(names: dict[str, Any], concept: str, steps: int = 80) -> None:
    """Teach the logit of token 7, at the last real token, one concept: by it and nothing else the value is known."""
    model, world, rng = names["model"].float(), names["Fruit"](), torch.Generator().manual_seed(1)
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(steps):
        batch = world.sample(64, rng=rng)
        real = batch.observation != 0
        out = model(batch.observation, attention_mask=real.long()).logits
        wanted = torch.tensor(batch.concepts[concept].to_numpy()).float()
        optimiser.zero_grad()
        (out[torch.arange(64), real.sum(1) - 1, 7] - wanted).square().mean().backward()
        optimiser.step()
    model.eval()


@pytest.mark.parametrize(("kind", "concept", "word"), [("gpt2", "ripe", "intended"), ("llama", "red", "proxy:red")])
def test_what_a_language_model_was_taught_to_value_is_found(kind: str, concept: str, word: str, tmp_path: Path) -> None:
    names = start(kind)
    train(names, concept)
    names["model"].to(torch.bfloat16 if kind == "llama" else torch.float32)
    assert len((BLOCKS[KINDS[kind]] + BLOCKS[KINDS[kind] + 1]).splitlines()) <= 10
    exec(BLOCKS[KINDS[kind] + 1], names)
    assert names["latch"].verdict == word, names["latch"].why
    place = {"ripe": 0, "red": 1}[concept]
    assert int(names["tokens"].abs().mean(0).argmax()) == place and names["tokens"].shape == (50, 8)
    assert names["sites"][-1].endswith("1@last") and names["layer"].attributions.shape == (50, 32)
    read = names["located"].set_index(["concept", "site"])
    assert read.loc[(concept, names["sites"][-1]), "verdict"] == "present"
    assert (
        read.loc[("ripe", names["sites"][0]), "score"] == 1.0
    )  # the embedding of one of two tokens: two kinds of rows
    assert "300 of 300 rows are equal" in read.loc[("ripe", names["sites"][0]), "why"]
    assert read.loc[("red", names["sites"][0]), "verdict"] != "present"
    if kind == "gpt2":
        exchange(names, tmp_path)


def exchange(names: dict[str, Any], folder: Path) -> None:
    """The last block: a probe and a sparse autoencoder, saved and loaded."""
    exec(BLOCKS[-1].replace('"ripe.safetensors"', repr(str(folder / "p"))).replace('"sae"', repr(str(folder))), names)
    rows = names["subject"].activations(names["batch"].observation, names["sites"][-1:])[names["sites"][-1]]
    assert torch.equal(names["loaded"](rows.double()), names["probe"].fitted_(rows.double()))
    assert names["loaded"].card.verdict == "present"
    same = names["theirs"].decode(names["theirs"].encode(rows))
    torch.testing.assert_close(same, names["features"].decode(names["features"].encode(rows)), rtol=1e-4, atol=1e-4)


def test_an_untrained_bridge_values_nothing_that_is_named() -> None:
    names = start("bridge")
    exec(BLOCKS[KINDS["bridge"] + 1], names)
    assert names["latch"].verdict in ("none", "undetermined"), names["latch"].why
    assert names["tokens"].shape == (50, 8) and names["layer"].attributions.shape == (50, 32)
    assert isinstance(names["located"], pd.DataFrame) and isinstance(names["model"], nn.Module)


def test_the_last_real_token_is_the_model_s_own_number() -> None:
    names = start("gpt2")
    model, tokens = names["model"], names["Fruit"]().sample(20, rng=torch.Generator().manual_seed(3)).observation
    exec(BLOCKS[2].splitlines()[0], names)
    length = (tokens != 0).sum(1)
    with torch.no_grad():
        alone = [model(row[None, :k], output_hidden_states=True) for row, k in zip(tokens, length, strict=True)]
    own, layers = [out.logits[0, -1, 7] for out in alone], [out.hidden_states[1][0, -1] for out in alone]
    torch.testing.assert_close(names["subject"].values(tokens), torch.stack(own), rtol=1e-6, atol=1e-6)
    read = names["subject"].activations(tokens, ["transformer.h.0@last"])["transformer.h.0@last"]
    torch.testing.assert_close(read, torch.stack(layers), rtol=1e-5, atol=1e-6)
    assert len(set(length.tolist())) > 1
