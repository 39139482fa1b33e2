"""Runs on disk: files are written whole or not at all, read without unpickling, and checked against changes.

runs/<setup>-<hash>/
    setup.yaml                      resolved setup
    registration.json               hash of settings, rule and commit, written before the first result
    sessions.json                   every process that worked on the run: when, with which commit, on which CPU
    run.json                        versions, commit, machine, times, SHA-256 of every file
    seed-<k>/age-<n>.safetensors    everything that a seed's future depends on; digest in the header
    cells/<name>.parquet            finished cells of the analysis
    findings.parquet, findings.csv  one row per finding
    artefacts/<name>.npz            arrays that the report draws
    report.html
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from imprint.models.errors import AGAIN, DamagedFileError, unknown_name
from imprint.models.files import registration_above, write_bytes

FORMAT = "1"


def digest_of(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over the names, types, shapes and bytes of ``tensors``."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name].detach().contiguous().cpu()
        digest.update(f"{name}|{value.dtype}|{tuple(value.shape)}|".encode())
        if value.numel():  # an empty tensor has no strides by which its bytes could be seen
            digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def model_hash(model: nn.Module) -> str:
    """SHA-256 over the names, types, shapes and bytes of a network's weights and buffers."""
    return digest_of({name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)})


def write_tensors(path: Path, tensors: Mapping[str, Tensor], **header: str) -> None:
    """Write a safetensors file that carries the digest of its contents; the same tensors give the same bytes.

    In a folder with a registration it carries the hash of that too. The header is one JSON entry, because the library
    writes several entries in an order that changes from call to call.
    """
    flat = {name: value.detach().contiguous().cpu() for name, value in tensors.items()}
    under = registration_above(path)
    whole = {**header, "format": FORMAT, "digest": digest_of(flat), **({"registration": under} if under else {})}
    write_bytes(path, save(flat, metadata={"imprint": json.dumps(whole, sort_keys=True)}))


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header. Raises :class:`DamagedFileError` for a file that is truncated, unreadable or was changed."""
    try:
        with safe_open(path, framework="pt") as file:
            header = dict(json.loads((file.metadata() or {}).get("imprint", "{}")))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, ValueError, SafetensorError) as error:
        raise DamagedFileError(f"{path} is unreadable or truncated: {error}. {AGAIN}") from None
    if header.get("digest") != digest_of(tensors):
        raise DamagedFileError(f"{path} was changed after it was written (its digest does not match). {AGAIN}")
    return tensors, header


class RunFolder:
    """Paths of the files of one run."""

    def __init__(self, path: Path) -> None:
        self.path = Path(path)

    @property
    def setup_file(self) -> Path:
        """The resolved setup."""
        return self.path / "setup.yaml"

    @property
    def findings_file(self) -> Path:
        """The table of findings."""
        return self.path / "findings.parquet"

    def checkpoint(self, seed: int, age: int) -> Path:
        """The checkpoint of one seed at one age."""
        return self.path / f"seed-{seed}" / f"age-{age}.safetensors"

    def cell(self, name: str) -> Path:
        """The table that a finished cell of the analysis wrote."""
        return self.path / "cells" / f"{name}.parquet"


def open_run(path: str | Path) -> RunFolder:
    """An existing run folder. Raises :class:`ImprintError` when there is none or it is not a run."""
    folder = RunFolder(Path(path))
    if not folder.path.is_dir():
        near = sorted(p.name for p in Path("runs").glob("*")) if Path("runs").is_dir() else []
        raise unknown_name("run folder", path, near)
    if not folder.setup_file.is_file():
        raise DamagedFileError(
            f"{folder.path} holds no setup.yaml, so it is not a run. Give the folder that one wrote."
        )
    return folder


def with_prefix(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors with ``prefix`` before their names."""
    return {f"{prefix}{name}": value for name, value in tensors.items()}


def part_of(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names begin with ``prefix``, without it."""
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
