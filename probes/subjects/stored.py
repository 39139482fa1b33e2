"""Activations on disk: safetensors shards and a parquet index, read in batches that need not fit in memory together.

    <folder>/shards/<i>-<site>-<block>.safetensors   one site and one block of rows: a tensor "activations" [rows, d]
    <folder>/index.parquet                           block, group and concepts of each row; the file's metadata lists
                                                     the shards with site, block, rows, width, type and SHA-256

The index is written last, so a folder without an index is not a store. Shards have a bounded size, because writing one
needs twice its bytes (huggingface/safetensors issue 458). A shard is compared with its digest when it is first read,
and then read in slices. Nothing is pickled.

Stores from several machines can be merged without copying. Rows with the same group label are one group, so machines
that recorded different episodes must label them differently.

Letters: n rows, b of them in one batch, d width of a site.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import torch
from pandas.api.types import union_categoricals
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from imprint.models.errors import DamagedFileError, ImprintError, unknown_name
from imprint.models.files import write_bytes
from imprint.probes.subjects.site import require_finite

INDEX = "index.parquet"
"""Name of the index in its folder."""
KEY = "activations"
"""Name of the tensor in a shard."""
RESERVED = ("@block", "@group")
"""Columns of the index that are not concepts."""
FORMAT = 1
"""Version of the format of the index."""
KINDS = {torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64"}
"""Names of types in safetensors."""
SHARD_BYTES = 32 * 2**20
"""Default for the largest size of a shard."""


@dataclass(frozen=True)
class Shard:
    """The activations of one site on one block of rows."""

    site: str
    block: int
    rows: int
    width: int
    dtype: str
    """Name of the type in safetensors, for example ``F32``."""
    file: str
    """Path relative to the folder of the store."""
    digest: str
    """SHA-256 of the file."""


@dataclass(frozen=True)
class Block:
    """Rows that were written together, with one shard per site in the same folder."""

    folder: Path
    rows: int
    shards: Mapping[str, Shard]


@dataclass(frozen=True, eq=False)
class ActivationStore:
    """Activations of n rows at several sites, with concepts and groups; see :func:`write` and :func:`open_store`."""

    blocks: tuple[Block, ...]
    labels: pd.DataFrame
    """n rows with one column per concept; no columns when there are no labels."""
    groups: pd.Series[Any] | None
    """One label per row."""
    verified: set[Path] = field(default_factory=set, repr=False)
    """Paths of the shards that have been compared with their digests."""

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites, as written."""
        return tuple(self.blocks[0].shards)

    def __len__(self) -> int:
        return sum(block.rows for block in self.blocks)

    def width(self, site: str) -> int:
        """Width d of a site."""
        return self.blocks[0].shards[self._known(site)].width

    def read(self, site: str, start: int = 0, stop: int | None = None) -> Tensor:
        """Rows ``start`` to ``stop`` (default all) of one site, ``[rows, d]``."""
        stop = len(self) if stop is None else stop
        if not 0 <= start < stop <= len(self):
            raise ImprintError(f"rows {start} to {stop} were asked for; expected a range within 0 to {len(self)}.")
        slices, first = [], 0
        for block in self.blocks:
            low, high = max(start - first, 0), min(stop - first, block.rows)
            if low < high:
                slices.append(self._slice(block, self._known(site), low, high))
            first += block.rows
        return slices[0] if len(slices) == 1 else torch.cat(slices)

    def stream(self, sites: Sequence[str] | None = None, batch_size: int = 512) -> Batches:
        """Batches ``{site: [b, d]}`` in the order of the rows, which can be iterated repeatedly. Default: all sites."""
        if batch_size < 1:
            raise ImprintError(f"batch_size is {batch_size}; expected at least 1.")
        return Batches(self, tuple(map(self._known, self.sites if sites is None else sites)), batch_size)

    def activations(self, sites: Sequence[str] | None = None) -> dict[str, Tensor]:
        """All rows ``{site: [n, d]}`` in memory, as ``imprint.locate`` takes them."""
        return {site: self.read(site) for site in (self.sites if sites is None else sites)}

    def verify(self) -> None:
        """Compare all shards with their digests; raises :class:`DamagedFileError` at the first bad one."""
        for block in self.blocks:
            for shard in block.shards.values():
                self._check(block, shard)

    def _known(self, site: str) -> str:
        if site not in self.sites:
            raise unknown_name("site in this store", site, self.sites)
        return site

    def _slice(self, block: Block, site: str, low: int, high: int) -> Tensor:
        shard = block.shards[site]
        path = self._check(block, shard)
        with safe_open(path, framework="pt") as file:
            rows: Tensor = file.get_slice(KEY)[low:high]
        return rows

    def _check(self, block: Block, shard: Shard) -> Path:
        """Path of a shard that has been compared with its digest."""
        path = block.folder / shard.file
        if path in self.verified:
            return path
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise DamagedFileError(f"shard {path} cannot be read: {error.strerror}. Copy it again.") from None
        if digest != shard.digest:
            raise DamagedFileError(
                f"shard {path} is not the one that was written for {shard.site!r} (its digest differs from the "
                "index's). Copy it again, or write the store anew."
            )
        try:
            with safe_open(path, framework="pt") as opened:
                shape, dtype = opened.get_slice(KEY).get_shape(), opened.get_slice(KEY).get_dtype()
        except SafetensorError as error:
            raise DamagedFileError(f"shard {path} is not a safetensors file with {KEY!r}: {error}.") from None
        if (shape, dtype) != ([shard.rows, shard.width], shard.dtype):
            expected = f"{shard.dtype} {[shard.rows, shard.width]}"
            raise DamagedFileError(f"shard {path} holds {dtype} {shape}; expected {expected}.")
        self.verified.add(path)
        return path


@dataclass(frozen=True)
class Batches:
    """Batches of a store; every iteration starts at the first row."""

    store: ActivationStore
    sites: tuple[str, ...]
    batch_size: int

    def __len__(self) -> int:
        return -(-len(self.store) // self.batch_size)

    def only(self, sites: Sequence[str]) -> Batches:
        """The same for some of the sites, which alone are read."""
        return self.store.stream(sites, self.batch_size)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for start in range(0, len(self.store), self.batch_size):
            stop = min(start + self.batch_size, len(self.store))
            yield {site: self.store.read(site, start, stop) for site in self.sites}


# -- writing -----------------------------------------------------------------------------------------------------


def write(
    folder: str | Path,
    batches: Iterable[Mapping[str, Tensor]],
    labels: pd.DataFrame | None = None,
    *,
    groups: Any = None,
    shard_bytes: int = SHARD_BYTES,
) -> ActivationStore:
    """Write batches ``{site: [b, d]}``, for example ``subject.stream(...)``, with one block of rows in memory.

    The folder must not hold a store yet. Batches have the same sites, widths and types throughout; ``labels`` one row
    per row of activations and one column per concept, ``groups`` one label per row. A block has as many rows as fit in
    a shard of ``shard_bytes`` of the widest site. Raises :class:`ImprintError` and leaves nothing behind when batches
    or labels do not fit together.
    """
    folder = Path(folder)
    if (folder / INDEX).exists():
        raise ImprintError(f"{folder} already holds a store; choose another folder or delete it.")
    if shard_bytes < 1:
        raise ImprintError(f"shard_bytes is {shard_bytes}; expected at least 1.")
    shards: list[Shard] = []
    try:
        for number, block in enumerate(_blocks(batches, shard_bytes)):
            shards.extend(_write_block(folder, number, block))
        if not shards:
            raise ImprintError("there are no activations to write; expected at least one batch with one row.")
        index = _index(shards, labels, groups)
    except BaseException:
        for shard in shards:
            (folder / shard.file).unlink(missing_ok=True)
        raise
    write_bytes(folder / INDEX, index)
    return open_store(folder)


def _blocks(batches: Iterable[Mapping[str, Tensor]], shard_bytes: int) -> Iterator[dict[str, Tensor]]:
    """The rows of the batches in blocks of as many rows as fit in a shard."""
    block: dict[str, Tensor] = {}
    size = filled = 0
    for batch in batches:
        rows = _require_fit(batch, block or batch)
        if not block:
            size = max(1, shard_bytes // max(a[0].nbytes for a in batch.values()))
            block = {site: torch.empty(size, a.shape[1], dtype=a.dtype) for site, a in batch.items()}
        start = 0
        while start < rows:
            count = min(size - filled, rows - start)
            for site, a in batch.items():
                block[site][filled : filled + count] = a.detach()[start : start + count]
            start, filled = start + count, filled + count
            if filled == size:
                yield block
                filled = 0
    if filled:
        yield {site: a[:filled] for site, a in block.items()}


def _require_fit(batch: Mapping[str, Tensor], block: Mapping[str, Tensor]) -> int:
    """Number of rows of a batch; raises unless it fits the block that is being filled."""
    rows = {a.shape[:1] for a in batch.values()}
    same = list(batch) == list(block) and all(
        a.dim() == 2 and a.numel() and a.dtype in KINDS and (a.shape[1], a.dtype) == (like.shape[1], like.dtype)
        for a, like in zip(batch.values(), block.values(), strict=True)
    )
    if not same or len(rows) != 1:
        got = ", ".join(f"{site}: {str(a.dtype)[6:]} {list(a.shape)}" for site, a in batch.items())
        raise ImprintError(
            f"a batch holds {got or 'no site'}; expected floats [b, d] with as many rows at every site, and the sites, "
            "widths and types of the first batch."
        )
    for site, a in batch.items():
        require_finite(site, a)
    return int(rows.pop()[0])


def _write_block(folder: Path, number: int, block: Mapping[str, Tensor]) -> Iterator[Shard]:
    """Write block ``number``, one shard per site."""
    for i, (site, values) in enumerate(block.items()):
        file = f"shards/{i:03d}-{re.sub(r'[^A-Za-z0-9_.-]+', '_', site)[:80]}-{number:05d}.safetensors"
        about = json.dumps({"site": site, "block": number})
        content = save({KEY: values.contiguous()}, metadata={"imprint": about})
        write_bytes(folder / file, content)
        digest = hashlib.sha256(content).hexdigest()
        yield Shard(site, number, len(values), values.shape[1], KINDS[values.dtype], file, digest)


def _index(shards: Sequence[Shard], labels: pd.DataFrame | None, groups: Any) -> bytes:
    """Content of the index."""
    first = shards[0].site
    blocks = np.repeat([s.block for s in shards if s.site == first], [s.rows for s in shards if s.site == first])
    table = pd.DataFrame(index=range(len(blocks))) if labels is None else labels.reset_index(drop=True)
    names = [str(name) for name in table.columns]
    if len(set(names)) < len(names) or set(names) & set(RESERVED):
        raise ImprintError(f"the concepts are called {names}; expected names of their own, none of {list(RESERVED)}.")
    column = None if groups is None else pd.Series(np.asarray(groups))
    for name, given in (("labels", table), ("groups", column)):
        if given is not None and len(given) != len(blocks):
            raise ImprintError(f"{name} has {len(given)} rows and the activations {len(blocks)}; expected as many.")
    if column is not None and column.isna().any():
        raise ImprintError(f"groups holds {int(column.isna().sum())} missing labels; every row needs a group.")
    table = table.set_axis(names, axis=1).assign(**{RESERVED[0]: blocks})
    table = table if column is None else table.assign(**{RESERVED[1]: column})
    about = json.dumps({"format": FORMAT, "shards": [asdict(shard) for shard in shards]})
    try:
        arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    except pyarrow.ArrowException as error:
        raise ImprintError(f"labels and groups cannot be stored as a table: {error}") from None
    buffer = io.BytesIO()
    arrow = arrow.replace_schema_metadata({**arrow.schema.metadata, b"imprint": about.encode()})
    pyarrow.parquet.write_table(arrow, buffer, compression="zstd", write_page_checksum=True)
    return buffer.getvalue()


# -- reading -----------------------------------------------------------------------------------------------------


def open_store(folder: str | Path) -> ActivationStore:
    """The store in a folder; its shards are checked when they are first read."""
    folder = Path(folder)
    path = folder / INDEX
    if not path.is_file():
        near = sorted(p.name for p in folder.parent.glob("*")) if folder.parent.is_dir() else []
        raise unknown_name("activation store", folder.name, near, advice=f"A store is a folder that holds {INDEX}.")
    try:
        arrow = pyarrow.parquet.read_table(path, page_checksum_verification=True)
        about = json.loads((arrow.schema.metadata or {})[b"imprint"])
        shards = [Shard(**shard) for shard in about["shards"]]
        table = arrow.to_pandas()
        blocks = _grouped(folder, shards, table.pop(RESERVED[0]))
    except (OSError, KeyError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} is not the index of a store, or is damaged: {error}.") from None
    groups = table.pop(RESERVED[1]) if RESERVED[1] in table else None
    return ActivationStore(blocks, table, groups)


def _grouped(folder: Path, shards: Sequence[Shard], number: pd.Series[Any]) -> tuple[Block, ...]:
    """Blocks in the order of the rows. Raises ``ValueError`` when shards and rows do not agree."""
    blocks: dict[int, dict[str, Shard]] = {}
    for shard in shards:
        if re.fullmatch(r"shards/[A-Za-z0-9_.-]+", shard.file) is None:
            raise ValueError(f"{shard.file!r} is not the name of a shard")
        blocks.setdefault(shard.block, {})[shard.site] = shard
    rows = number.value_counts().to_dict()
    expected = {block: {shard.rows for shard in by_site.values()} for block, by_site in blocks.items()}
    if not blocks or expected != {block: {n} for block, n in rows.items()}:
        raise ValueError("its rows do not tally with its shards")
    forms = {tuple((site, shard.width, shard.dtype) for site, shard in held.items()) for held in blocks.values()}
    if len(forms) > 1:
        raise ValueError("its blocks differ in sites, widths or types")
    return tuple(Block(folder, rows[block], blocks[block]) for block in sorted(blocks))


def merge(stores: Sequence[ActivationStore]) -> ActivationStore:
    """One store with the rows of several, in their order, without copying (to copy it, write its stream).

    Raises :class:`ImprintError` when sites, widths, types or concepts differ, or when rows occur twice.
    """
    if not stores:
        raise ImprintError("there is nothing to merge; expected at least one store.")
    first = stores[0]
    for other in stores[1:]:
        for part, mine, theirs in zip(("sites", "concepts", "groups"), _form(first), _form(other), strict=True):
            if mine != theirs:
                raise ImprintError(f"the stores differ in {part}: {mine} and {theirs}; expected the same.")
    blocks = tuple(block for store in stores for block in store.blocks)
    by_content: dict[tuple[str, ...], Block] = {}
    for block in blocks:
        digests = tuple(shard.digest for shard in block.shards.values())
        if digests in by_content:
            twice = f"in {by_content[digests].folder} and in {block.folder}"
            raise ImprintError(f"the same rows are there twice: {twice}.")
        by_content[digests] = block
    labels = {
        name: union_categoricals([s.labels[name] for s in stores])
        if isinstance(first.labels[name].dtype, pd.CategoricalDtype)
        else pd.concat([s.labels[name] for s in stores], ignore_index=True)
        for name in first.labels
    }
    groups = [store.groups for store in stores if store.groups is not None]
    table = pd.DataFrame(labels, index=range(sum(map(len, stores))))
    verified = set().union(*(store.verified for store in stores))
    return ActivationStore(blocks, table, pd.concat(groups, ignore_index=True) if groups else None, verified)


def _form(store: ActivationStore) -> tuple[object, object, object]:
    """Names and types of sites, concepts and groups, which merged stores must share."""
    sites = [(site, shard.width, shard.dtype) for site, shard in store.blocks[0].shards.items()]
    kinds = [
        (name, "category" if isinstance(kind, pd.CategoricalDtype) else str(kind))
        for name, kind in store.labels.dtypes.items()
    ]
    return sites, kinds, None if store.groups is None else str(store.groups.dtype)
