"""Sparse autoencoders in the files of SAELens: ``cfg.json`` and ``sae_weights.safetensors`` in one folder.

SAELens (https://github.com/jbloomAus/SAELens, version 6; read in its source, ``sae_lens/saes``) computes

    before = (x - apply_b_dec_to_input * b_dec) @ W_enc + b_enc             W_enc [d_in, d_sae], W_dec [d_sae, d_in]
    standard    code = relu(before)
    topk        code = relu(before) of the k largest, else 0
    jumprelu    code = relu(before) where before > threshold, else 0
    gated       code = relu(before e^r_mag + b_mag) where before + b_gate > 0 (b_enc = 0): a jumprelu of its own
    x_hat  = code @ W_dec + b_dec

:func:`load_sae_lens` gives a :class:`~imprint.probes.discovery.sparse_autoencoder.SparseFeatures` with the same
reconstruction; its directions are unit vectors, so its codes are those of SAELens times the norms of ``W_dec``.
:func:`save_sae_lens` writes what SAELens loads with ``SAE.load_from_disk``. Older files with ``activation_fn_str`` are
read as well. Transcoders, normalised activations and reshaped heads are refused by name.

Letters: n rows, d width of the site, m features.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError
from imprint.models.files import write_bytes
from imprint.probes.discovery.base import Dictionary, unit_rows
from imprint.probes.discovery.sparse_autoencoder import SparseFeatures

CONFIG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
ARCHITECTURES = ("standard", "topk", "jumprelu", "gated")


def save_sae_lens(dictionary: Dictionary, folder: str | Path, *, model_name: str = "", hook_name: str = "") -> Path:
    """Write a sparse dictionary as SAELens reads it; the folder.

    ``hook_name``: the site it was fitted at, as the model's hooks are called. Raises :class:`ImprintError` for a
    dictionary that is not of this kind, such as principal components, whose codes have a sign.
    """
    if not isinstance(dictionary, SparseFeatures):
        kind = type(dictionary).__name__
        raise ImprintError(f"{kind} is no sparse autoencoder, which alone SAELens reads; expected SparseFeatures.")
    if dictionary.active and dictionary.threshold is not None:
        raise ImprintError("this dictionary has both a number of active features and thresholds; SAELens has no such.")
    m, d = dictionary.directions.shape
    kind = "topk" if dictionary.active else "standard" if dictionary.threshold is None else "jumprelu"
    zeros = dictionary.offset.new_zeros
    shift = dictionary.offset if dictionary.input_offset is None else dictionary.input_offset
    from_offset = bool(torch.equal(shift, dictionary.offset))
    bias = zeros(m) if dictionary.bias is None else dictionary.bias
    scale = dictionary.offset.new_ones(m) if dictionary.scale is None else dictionary.scale
    tensors = {
        "W_enc": dictionary.encoder,
        "b_enc": bias if from_offset else bias - shift @ dictionary.encoder,
        "W_dec": dictionary.directions * scale[:, None],
        "b_dec": dictionary.offset,
    }
    if dictionary.threshold is not None:
        tensors["threshold"] = dictionary.threshold
    config = {
        "architecture": kind,
        "d_in": d,
        "d_sae": m,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": from_offset,
        "normalize_activations": "none",
        "reshape_activations": "none",
        "metadata": {"model_name": model_name or None, "hook_name": hook_name or None},
        **({"k": dictionary.active, "rescale_acts_by_decoder_norm": False} if kind == "topk" else {}),
    }
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    plain = {name: value.detach().float().cpu().contiguous() for name, value in tensors.items()}
    write_bytes(target / WEIGHTS, save(plain))
    write_bytes(target / CONFIG, json.dumps(config, indent=2).encode())
    return target


def load_sae_lens(folder: str | Path) -> SparseFeatures:
    """A sparse autoencoder that SAELens wrote.

    Which features are dead is not in these files, so none counts as dead. Raises :class:`DamagedFileError` for files
    that are missing or do not fit each other, and :class:`ImprintError` for an architecture that is not read.
    """
    config, weights = _read(Path(folder))
    kind, active = _architecture(config)
    names = ["W_enc", "W_dec", "b_dec", *{"gated": ["b_gate", "b_mag", "r_mag"]}.get(kind, ["b_enc"])]
    names += ["threshold"] if kind == "jumprelu" else []
    if lacking := [name for name in names if name not in weights]:
        raise DamagedFileError(f"{folder}: {WEIGHTS} lacks {', '.join(lacking)}, which a {kind} autoencoder has.")
    encoder, decoder, offset = (weights[name].float() for name in ("W_enc", "W_dec", "b_dec"))
    if encoder.dim() != 2 or decoder.shape != encoder.T.shape or offset.shape != encoder.shape[:1]:
        shapes = [list(t.shape) for t in (encoder, decoder, offset)]
        raise DamagedFileError(f"{folder}: W_enc, W_dec and b_dec are {shapes}; expected [d, m], [m, d] and [d].")
    bias, threshold = weights.get("b_enc"), weights.get("threshold") if kind == "jumprelu" else None
    if kind == "gated":  # the gate opens where the magnitude before rectification exceeds a threshold
        growth = weights["r_mag"].float().exp()
        encoder, bias = encoder * growth, weights["b_mag"]
        threshold = weights["b_mag"].float() - weights["b_gate"].float() * growth
    norm = decoder.norm(dim=1)
    if config.get("rescale_acts_by_decoder_norm"):  # SAELens then ranks codes by what they add to the reconstruction
        encoder, bias = encoder * norm, None if bias is None else bias.float() * norm
    return SparseFeatures(
        directions=unit_rows(decoder),
        offset=offset,
        dead=torch.zeros(len(decoder), dtype=torch.bool),
        encoder=encoder,
        active=active,
        bias=None if bias is None else bias.float(),
        threshold=None if threshold is None else threshold.float(),
        scale=None if config.get("rescale_acts_by_decoder_norm") else norm,
        input_offset=None if config.get("apply_b_dec_to_input", True) else torch.zeros_like(offset),
    )


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        weights = load_file(folder / WEIGHTS)
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise DamagedFileError(f"{folder} cannot be read as {CONFIG} and {WEIGHTS} of SAELens: {error}.") from None
    if not isinstance(config, dict):
        raise DamagedFileError(f"{folder / CONFIG} holds {type(config).__name__}; expected an object of settings.")
    return config, weights


def _architecture(config: Mapping[str, Any]) -> tuple[str, int]:
    """Architecture and number of active features (0: any number); raises for what is not read."""
    kind, active = config.get("architecture", "standard"), 0
    function = config.get("activation_fn_str", config.get("activation_fn", "relu"))
    if kind == "standard" and function == "topk":  # before version 6
        kind, config = "topk", {**config, **(config.get("activation_fn_kwargs") or {})}
    elif function not in ("relu", "topk"):
        raise ImprintError(f"the activation function is {function!r}; read are relu and topk.")
    if kind not in ARCHITECTURES:
        raise ImprintError(f"the architecture is {kind!r}; read are {', '.join(ARCHITECTURES)}.")
    for name in ("normalize_activations", "reshape_activations"):
        if (config.get(name) or "none") != "none":
            raise ImprintError(
                f"{name} is {config[name]!r}, which changes the rows; fold it into the weights, so that it is 'none'."
            )
    if config.get("finetuning_scaling_factor"):
        raise ImprintError("finetuning_scaling_factor is set; fold the scaling factor into W_dec first.")
    if kind == "topk":
        active = config.get("k", 0)
        if not isinstance(active, int) or isinstance(active, bool) or active < 1:
            raise ImprintError(f"k is {active!r}; expected a whole number of active features, 1 or more.")
    return kind, active
