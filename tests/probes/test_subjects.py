"""Models that were not built here are read and edited as they are: torch, TransformerLens, Hugging Face."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformer_lens.config import TransformerBridgeConfig
from transformer_lens.model_bridge.sources import boot_native
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

from imprint.models.errors import ImprintError, UnknownNameError
from imprint.probes.subjects.guards import registered_hooks
from imprint.probes.subjects.subject import Subject

TOKENS = torch.randint(0, 11, (9, 6), generator=torch.Generator().manual_seed(0))


def rows(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def seeded() -> Any:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def bridge() -> Any:
    config = TransformerBridgeConfig(
        d_model=8, d_head=4, n_heads=2, n_layers=2, d_mlp=16, n_ctx=6, d_vocab=11, act_fn="gelu", device="cpu"
    )
    return boot_native(config).eval()


def gpt2() -> GPT2LMHeadModel:
    return GPT2LMHeadModel(GPT2Config(vocab_size=11, n_positions=6, n_embd=8, n_layer=2, n_head=2)).eval()


class Sequence(nn.Module):
    """A recurrent or attending module in the middle, and a linear head on its last step."""

    def __init__(self, inner: nn.Module, width: int, *, time_first: bool = False) -> None:
        super().__init__()
        self.inner = inner
        self.head = nn.Linear(width, 1)
        self.time_first = time_first

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(0, 1) if self.time_first else x
        out = self.inner(x, x, x) if isinstance(self.inner, nn.MultiheadAttention) else self.inner(x)
        sequence = out[0] if isinstance(out, tuple) else out
        last: Tensor = self.head(sequence[-1] if self.time_first else sequence[:, -1])
        return last


MIDDLES = {
    "gru": lambda first: nn.GRU(6, 4, batch_first=not first),
    "lstm": lambda first: nn.LSTM(6, 4, batch_first=not first),
    "attention": lambda first: nn.MultiheadAttention(6, 2, batch_first=not first),
}


@pytest.mark.parametrize("time_first", [False, True])
@pytest.mark.parametrize("kind", MIDDLES)
@pytest.mark.parametrize("n", [40, 5])
def test_tuples_are_read_at_their_first_item_rows_first(kind: str, time_first: bool, n: int) -> None:
    inner = MIDDLES[kind](time_first)
    width = 6 if kind == "attention" else 4
    model, x = Sequence(inner, width, time_first=time_first).eval(), rows(n, 5, 6)
    subject = Subject(model)
    found = subject.activations(x, batch_size=13)
    assert list(found) == ["inner", "head"]
    given = x.transpose(0, 1) if time_first else x
    sequence = inner(given, given, given)[0] if kind == "attention" else inner(given)[0]
    sequence = sequence.transpose(0, 1) if time_first else sequence
    torch.testing.assert_close(found["inner"], sequence.flatten(1))
    torch.testing.assert_close(subject.activations(x, ["inner@-1"])["inner@-1"], sequence[:, -1])
    edited = subject.values(x, edits={"inner@-1": torch.zeros_like})
    torch.testing.assert_close(edited, model.head.bias.detach().expand(n))
    torch.testing.assert_close(subject.values(x, edits={"inner@0": torch.zeros_like}), subject.values(x))


def test_time_before_rows_is_refused_where_it_cannot_be_told_from_rows_before_time() -> None:
    class Headed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.GRU(6, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.inner(x.transpose(0, 1))[0])
            return out.sum((0, 2))

    subject = Subject(Headed())
    with pytest.raises(ImprintError, match=r"'head' gives float32 \[5, 7, 2\] for 7 observations"):
        subject.activations(rows(7, 5, 6), ["head"])
    with pytest.raises(ImprintError, match="cannot be told apart"):
        subject.activations(rows(5, 5, 6), ["head"])


def test_an_encoder_layer_of_torch() -> None:
    layer = nn.TransformerEncoderLayer(6, 2, 12, dropout=0.0, batch_first=True).eval()
    model, x = nn.Sequential(layer, nn.Flatten(), nn.Linear(30, 1)), rows(20, 5, 6)
    torch.testing.assert_close(Subject(model).activations(x, ["0@2"])["0@2"], layer(x)[:, 2])


def test_a_convolution_is_read_as_flattened_maps() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 1)).eval()
    x = rows(20, 3, 8, 8)
    found = Subject(model).activations(x)
    torch.testing.assert_close(found["2"], model[:3](x).flatten(1))


def test_a_bridge_is_read_and_edited_like_its_own_cache() -> None:
    model = bridge()
    _, cache = model.run_with_cache(TOKENS)
    subject = Subject(model, value=lambda tokens: model(tokens)[:, -1, 0])
    names = ["blocks.1.hook_out@-1", "blocks.0.hook_resid_post", "blocks.0.attn.hook_pattern"]
    found = subject.activations(TOKENS, names, batch_size=4)
    torch.testing.assert_close(found[names[0]], cache["blocks.1.hook_out"][:, -1])
    torch.testing.assert_close(found[names[1]], cache["blocks.0.hook_resid_post"].flatten(1))
    torch.testing.assert_close(found[names[2]], cache["blocks.0.attn.hook_pattern"].flatten(1))

    def zero(value: Tensor, hook: object) -> Tensor:
        value = value.clone()
        value[:, -1] = 0
        return value

    theirs = model.run_with_hooks(TOKENS, fwd_hooks=[("blocks.0.hook_out", zero)])[:, -1, 0].detach()
    torch.testing.assert_close(subject.values(TOKENS, edits={"blocks.0.hook_out@-1": torch.zeros_like}), theirs)
    assert "blocks.1.hook_out" in subject.sites(TOKENS)


def test_a_hook_left_on_a_bridge_is_caught_and_the_bridge_own_hooks_are_not() -> None:
    model = bridge()
    model(TOKENS)
    own = [kind for _, kind, _ in registered_hooks(model) if kind == "forward-pre"]
    assert own, "this version of TransformerLens installs no hooks of its own, so nothing is shown here"
    subject = Subject(model, value=lambda tokens: model(tokens)[:, -1, 0])
    before = subject.values(TOKENS)
    doubled = [("blocks.0.hook_out", lambda value, hook: 2 * value)] * 2
    model.run_with_hooks(TOKENS, fwd_hooks=doubled, reset_hooks_end=False)
    model.blocks[1].hook_out.add_hook(lambda gradient, hook: None, dir="bwd")
    with pytest.raises(ImprintError, match=r"2 forward hooks on 'blocks\.0\.hook_out', 1 backward hook on 'blocks\.1"):
        subject.values(TOKENS)
    model.reset_hooks()
    torch.testing.assert_close(subject.values(TOKENS), before)
    model.blocks[1].hook_out.add_perma_hook(lambda value, hook: 0 * value)
    assert not torch.equal(subject.values(TOKENS), before)


def test_a_dropped_hook_name_is_caught_by_name() -> None:
    model = bridge()
    subject = Subject(model, value=lambda tokens: model(tokens)[:, -1, 0])
    with pytest.raises(UnknownNameError, match=r"'blocks\.1\.hook_outt@-1'. Did you mean 'blocks\.1\.hook_out'"):
        subject.activations(TOKENS, ["blocks.0.hook_out", "blocks.1.hook_outt@-1"])
    with pytest.raises(ImprintError, match=r"'blocks\.0\.hook_mlp_in' did not run.*nothing is read at 'blocks\.0"):
        subject.activations(TOKENS, ["blocks.0.hook_mlp_in"])


def test_a_hugging_face_decoder_in_memory() -> None:
    model = gpt2()
    subject = Subject(model, value=lambda tokens: model(tokens).logits[:, -1, 3])
    found = subject.activations(TOKENS, ["transformer.h.0", "transformer.h.1.mlp@-1", "output@-1"], batch_size=4)
    with torch.no_grad():
        out = model(TOKENS, output_hidden_states=True)
    torch.testing.assert_close(found["transformer.h.0"], out.hidden_states[1].flatten(1))
    torch.testing.assert_close(found["output@-1"], out.logits[:, -1])
    torch.testing.assert_close(subject.values(TOKENS), out.logits[:, -1, 3])
    assert {"transformer.h.0.attn.c_attn", "transformer.ln_f", "lm_head"} <= set(subject.sites(TOKENS))
    edited = subject.values(TOKENS, edits={"output@-1": torch.zeros_like})
    torch.testing.assert_close(edited, torch.zeros(9))
    assert (
        float((subject.values(TOKENS, edits={"transformer.h.0": torch.zeros_like}) - subject.values(TOKENS)).std()) > 0
    )


def test_a_hugging_face_encoder_in_half_precision() -> None:
    size = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    model = BertModel(BertConfig(vocab_size=11, max_position_embeddings=6, **size)).eval().bfloat16()
    subject = Subject(model, value=lambda tokens: model(tokens).pooler_output[:, 0])
    found = subject.activations(TOKENS, ["encoder.layer.1", "output"])
    assert found["output"].dtype == torch.float32
    torch.testing.assert_close(found["output"], model(TOKENS).last_hidden_state.float().flatten(1))
    torch.testing.assert_close(found["encoder.layer.1"], found["output"])


def test_a_model_fresh_from_its_config_is_still_training() -> None:
    model = gpt2().train()
    with pytest.raises(ImprintError, match=r"is in training mode.*model\.eval"):
        Subject(model, value=lambda tokens: model(tokens).logits[:, -1, 3]).values(TOKENS)


def test_the_whole_output_of_such_a_model_is_no_value() -> None:
    with pytest.raises(ImprintError, match=r"the model returned CausalLMOutput.*pass value="):
        Subject(gpt2()).values(TOKENS)
