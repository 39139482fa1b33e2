"""Files of SAELens, read and written; the oracle is its encode and decode written out in numpy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.probes.discovery.base import load_dictionary
from imprint.probes.discovery.principal_components import PrincipalComponents
from imprint.probes.discovery.sparse_autoencoder import SparseAutoencoder
from imprint.probes.exchange.sae_lens import load_sae_lens, save_sae_lens

D, M = 5, 9
BASE = {
    "d_in": D,
    "d_sae": M,
    "dtype": "float32",
    "device": "cpu",
    "apply_b_dec_to_input": True,
    "normalize_activations": "none",
    "reshape_activations": "none",
    "metadata": {"model_name": "gpt2", "hook_name": "blocks.8.hook_resid_pre", "sae_lens_version": "6.12.1"},
}
KINDS: list[dict[str, Any]] = [
    {"architecture": "standard"},
    {"architecture": "standard", "apply_b_dec_to_input": False},
    {"architecture": "topk", "k": 3},
    {"architecture": "topk", "k": 3, "rescale_acts_by_decoder_norm": True},
    {"architecture": "standard", "activation_fn_str": "topk", "activation_fn_kwargs": {"k": 2}},
    {"architecture": "jumprelu"},
    {"architecture": "gated"},
]


def normal(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def written(folder: Path, **changes: Any) -> dict[str, Tensor]:
    """A folder as SAELens writes it, with weights that are not of unit length."""
    config = {**BASE, **changes}
    weights = {"W_enc": normal(D, M, seed=0), "W_dec": 2 * normal(M, D, seed=1), "b_dec": normal(D, seed=2)}
    if config["architecture"] == "gated":
        weights |= {name: normal(M, seed=i + 3) for i, name in enumerate(("b_gate", "b_mag", "r_mag"))}
    else:
        weights["b_enc"] = normal(M, seed=3)
    if config["architecture"] == "jumprelu":
        weights["threshold"] = normal(M, seed=4).abs()
    folder.mkdir(exist_ok=True)
    save_file(weights, folder / "sae_weights.safetensors")
    (folder / "cfg.json").write_text(json.dumps(config))
    return weights


def oracle(config: dict[str, Any], weights: dict[str, Tensor], rows: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Codes and reconstructions as SAELens computes them."""
    w = {name: value.numpy().astype(np.float64) for name, value in weights.items()}
    x = rows.numpy().astype(np.float64) - config["apply_b_dec_to_input"] * w["b_dec"]
    norm = np.linalg.norm(w["W_dec"], axis=1) if config.get("rescale_acts_by_decoder_norm") else np.ones(M)
    if config["architecture"] == "gated":
        gate = x @ w["W_enc"] + w["b_gate"] > 0
        code = gate * np.maximum(x @ (w["W_enc"] * np.exp(w["r_mag"])) + w["b_mag"], 0)
    else:
        before = (x @ w["W_enc"] + w["b_enc"]) * norm
        code = np.maximum(before, 0)
        if config["architecture"] == "jumprelu":
            code = code * (before > w["threshold"])
        k = config.get("k") or config.get("activation_fn_kwargs", {}).get("k")
        if k:
            code = np.where(before >= np.sort(before, axis=1)[:, [-k]], code, 0)
    return code, (code / norm) @ w["W_dec"] + w["b_dec"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: "-".join(map(str, kind.values()))[:40])
def test_what_sae_lens_wrote_reconstructs_as_there_and_survives_the_round_trip(
    kind: dict[str, Any], tmp_path: Path
) -> None:
    weights, rows = written(tmp_path / "theirs", **kind), normal(50, D, seed=9)
    code, reconstruction = oracle({**BASE, **kind}, weights, rows)
    assert 0.1 < (code > 0).mean() < 0.9
    for dictionary in (
        load_sae_lens(tmp_path / "theirs"),
        load_sae_lens(save_sae_lens(load_sae_lens(tmp_path / "theirs"), tmp_path / "ours")),
    ):
        codes = dictionary.encode(rows)
        assert torch.equal(codes > 0, torch.from_numpy(code > 0))
        np.testing.assert_allclose(dictionary.decode(codes), reconstruction, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(dictionary.directions.norm(dim=1), torch.ones(M))
    dictionary.save(tmp_path / "kept.safetensors")
    assert torch.equal(load_dictionary(tmp_path / "kept.safetensors").encode(rows), codes)


def test_ours_is_written_as_they_read_it(tmp_path: Path) -> None:
    rows = normal(300, D, seed=5)
    found = SparseAutoencoder(features=M, active=2, steps=20, rows=32).fit(rows, rng=torch.Generator().manual_seed(0))
    folder = save_sae_lens(found, tmp_path / "sae", model_name="mine", hook_name="layer.1")
    config, weights = json.loads((folder / "cfg.json").read_text()), load_file(folder / "sae_weights.safetensors")
    assert config["architecture"] == "topk" and config["k"] == 2 and config["metadata"]["hook_name"] == "layer.1"
    assert set(config) >= set(BASE) and {k: tuple(v.shape) for k, v in weights.items()} == {
        "W_enc": (D, M),
        "b_enc": (M,),
        "W_dec": (M, D),
        "b_dec": (D,),
    }
    code, reconstruction = oracle(config, weights, rows)
    np.testing.assert_allclose(found.encode(rows), code, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found.decode(found.encode(rows)), reconstruction, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "transcoder"}, "the architecture is 'transcoder'; read are standard, topk"),
        ({"architecture": "standard", "normalize_activations": "layer_norm"}, "normalize_activations is 'layer_norm'"),
        ({"architecture": "standard", "reshape_activations": "hook_z"}, "reshape_activations is 'hook_z'"),
        ({"architecture": "standard", "activation_fn_str": "tanh-relu"}, "activation function is 'tanh-relu'"),
        ({"architecture": "topk", "k": 2.5}, "k is 2.5"),
        ({"architecture": "standard", "finetuning_scaling_factor": True}, "finetuning_scaling_factor"),
    ],
)
def test_what_is_not_read_is_refused_by_name(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    written(tmp_path / "sae", **changes)
    with pytest.raises(ImprintError, match=message):
        load_sae_lens(tmp_path / "sae")


def test_damaged_folders_and_other_dictionaries_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DamagedFileError, match=r"cannot be read as cfg.json"):
        load_sae_lens(tmp_path / "nothing")
    weights = written(tmp_path / "sae", architecture="standard")
    save_file({**weights, "W_dec": weights["W_dec"].T.contiguous()}, tmp_path / "sae" / "sae_weights.safetensors")
    with pytest.raises(DamagedFileError, match=r"expected \[d, m\], \[m, d\] and \[d\]"):
        load_sae_lens(tmp_path / "sae")
    save_file({"W_enc": weights["W_enc"]}, tmp_path / "sae" / "sae_weights.safetensors")
    with pytest.raises(DamagedFileError, match="lacks W_dec, b_dec, b_enc"):
        load_sae_lens(tmp_path / "sae")
    components = PrincipalComponents().fit(normal(50, D, seed=0), rng=torch.Generator().manual_seed(0))
    with pytest.raises(ImprintError, match="is no sparse autoencoder"):
        save_sae_lens(components, tmp_path / "no")
