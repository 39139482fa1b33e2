"""What is written is read back bit for bit, slice by slice; what is damaged, missing or mixed up is refused by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from imprint.models.errors import DamagedFileError, ImprintError, UnknownNameError
from imprint.probes.subjects.stored import ActivationStore, merge, open_store, write
from imprint.probes.subjects.subject import Subject

ROWS = 100
WIDE, NARROW = "blocks.1/hook:out@-1", "head"


def activations(rows: int = ROWS, seed: int = 0) -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    return {WIDE: torch.randn(rows, 8, generator=rng), NARROW: torch.randn(rows, 2, generator=rng).double()}


def cut(whole: Mapping[str, Tensor], size: int) -> Iterator[dict[str, Tensor]]:
    for start in range(0, len(next(iter(whole.values()))), size):
        yield {site: a[start : start + size] for site, a in whole.items()}


def labels(rows: int = ROWS, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "bell": rng.random(rows) < 0.5,
            "distance": rng.normal(size=rows),
            "kind": pd.Categorical(rng.choice(["hen", "fox"], rows)),
        }
    )


def stored(folder: Path, seed: int = 0, **changes: Any) -> ActivationStore:
    given: dict[str, Any] = {"labels": labels(seed=seed), "groups": [f"{seed}-{i // 5}" for i in range(ROWS)]}
    return write(folder, cut(activations(seed=seed), 33), shard_bytes=30 * 32, **(given | changes))


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    stored(tmp_path)
    store, whole = open_store(tmp_path), activations()
    assert store.sites == (WIDE, NARROW) and len(store) == ROWS and store.width(WIDE) == 8
    for site, value in store.activations().items():
        assert torch.equal(value, whole[site]) and value.dtype == whole[site].dtype
    pd.testing.assert_frame_equal(store.labels, labels())
    assert store.groups is not None and store.groups.tolist() == [f"0-{i // 5}" for i in range(ROWS)]
    assert [name for name in files(tmp_path) if "head" in name] == [
        f"shards/001-head-0000{i}.safetensors" for i in range(4)
    ]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.integers(1, 40),
    given_in=st.integers(1, 50),
    shard=st.integers(1, 2000),
    size=st.integers(1, 50),
    ends=st.tuples(st.integers(0, 39), st.integers(1, 40)),
)
def test_any_cut_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: int, given_in: int, shard: int, size: int, ends: tuple[int, int]
) -> None:
    whole = activations(rows)
    store = write(tmp_path_factory.mktemp("store"), cut(whole, given_in), shard_bytes=shard)
    stream = store.stream([NARROW, WIDE], batch_size=size)
    parts = list(stream)
    assert len(parts) == len(stream) and all(len(part[WIDE]) == size for part in parts[:-1])
    for site, value in whole.items():
        assert torch.equal(torch.cat([part[site] for part in parts]), value)
    start, stop = min(ends[0], rows - 1), max(min(ends[0], rows - 1) + 1, min(ends[1], rows))
    assert torch.equal(store.read(WIDE, start, stop), whole[WIDE][start:stop])
    assert max(path.stat().st_size for path in store.blocks[0].folder.glob("shards/*")) <= max(shard, 64) + 200


def test_a_stream_is_read_as_often_as_one_likes(tmp_path: Path) -> None:
    stream = stored(tmp_path).stream([NARROW], batch_size=30)
    first, second = (torch.cat([part[NARROW] for part in stream]) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first, activations()[NARROW])


def test_writing_holds_one_block_and_reads_its_batches_once(tmp_path: Path) -> None:
    def batches() -> Iterator[dict[str, Tensor]]:
        for i in range(6):
            seen.append(len(list(tmp_path.glob("shards/*"))))
            yield {NARROW: torch.full((10, 2), float(i))}

    seen: list[int] = []
    write(tmp_path, batches(), shard_bytes=10 * 8)
    assert seen == [0, 1, 2, 3, 4, 5]


def test_a_buffer_used_again_for_every_batch_does_no_harm(tmp_path: Path) -> None:
    buffer = torch.empty(10, 2)
    store = write(tmp_path, ({NARROW: buffer.fill_(i)} for i in range(5)), shard_bytes=16 * 8)
    assert store.read(NARROW)[:, 0].tolist() == [float(i // 10) for i in range(50)]


def test_a_subject_is_streamed_to_disk_and_back(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        subject = Subject(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)))
    x = torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    store = write(tmp_path, subject.stream(x, batch_size=16))
    for site, value in subject.activations(x).items():
        torch.testing.assert_close(store.read(site), value)
    assert store.labels.shape == (50, 0) and store.groups is None


@pytest.mark.parametrize("rest", [{}, {"labels": None, "groups": None}])
def test_stores_of_several_machines_merge(tmp_path: Path, rest: dict[str, Any]) -> None:
    parts = [stored(tmp_path / str(seed), seed, **rest) for seed in range(3)]
    whole = merge(parts)
    assert len(whole) == 3 * ROWS
    assert torch.equal(whole.read(WIDE), torch.cat([activations(seed=seed)[WIDE] for seed in range(3)]))
    assert torch.equal(whole.read(WIDE, 95, 205), torch.cat([p.read(WIDE) for p in parts])[95:205])
    if not rest:
        expected = pd.concat([labels(seed=seed) for seed in range(3)], ignore_index=True)
        pd.testing.assert_frame_equal(whole.labels, expected)
        assert whole.groups is not None and whole.groups.nunique() == 60
    copy = write(tmp_path / "copy", whole.stream(), whole.labels if not rest else None, groups=whole.groups)
    assert torch.equal(copy.read(NARROW), whole.read(NARROW))


def test_categories_that_one_machine_never_saw_are_united(tmp_path: Path) -> None:
    kinds = [pd.DataFrame({"kind": pd.Categorical([kind] * ROWS)}) for kind in ("hen", "fox")]
    parts = [stored(tmp_path / str(i), i, labels=kind) for i, kind in enumerate(kinds)]
    assert list(merge(parts).labels["kind"]) == ["hen"] * ROWS + ["fox"] * ROWS


def test_stores_that_do_not_belong_together_do_not_merge(tmp_path: Path) -> None:
    one, other = stored(tmp_path / "a"), stored(tmp_path / "b", 1)
    with pytest.raises(ImprintError, match="the same rows are there twice"):
        merge([one, other, open_store(tmp_path / "a")])
    with pytest.raises(ImprintError, match="differ in concepts"):
        merge([one, stored(tmp_path / "c", 2, labels=labels()[["bell"]])])
    with pytest.raises(ImprintError, match="differ in groups"):
        merge([one, stored(tmp_path / "d", 2, groups=None)])
    with pytest.raises(ImprintError, match="differ in sites"):
        merge([one, write(tmp_path / "e", [{NARROW: torch.randn(5, 3)}], labels(5), groups=["x"] * 5)])
    with pytest.raises(ImprintError, match="nothing to merge"):
        merge([])


def shard(folder: Path, site: str = "head", block: int = 1) -> Path:
    return next(folder.glob(f"shards/*{site}-{block:05d}.safetensors"))


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    store = stored(tmp_path)
    shard(tmp_path).unlink()
    assert store.read(NARROW, 0, 30).shape == (30, 2)
    with pytest.raises(DamagedFileError, match=r"001-head-00001\.safetensors cannot be read: No such file"):
        store.read(NARROW, 20, 40)


@pytest.mark.parametrize("harm", ["flipped", "truncated", "swapped", "rewritten"])
def test_a_damaged_shard_is_named(tmp_path: Path, harm: str) -> None:
    store, path = stored(tmp_path), shard(tmp_path)
    content = bytearray(path.read_bytes())
    if harm == "flipped":
        content[-3] ^= 1
    elif harm == "truncated":
        content = content[:-20]
    elif harm == "swapped":
        content = bytearray(shard(tmp_path, block=2).read_bytes())
    if harm == "rewritten":
        save_file({"activations": 2 * load_file(path)["activations"]}, path)
    else:
        path.write_bytes(content)
    with pytest.raises(
        DamagedFileError, match=r"001-head-00001\.safetensors is not the one that was written for 'head'"
    ):
        store.activations([NARROW])
    with pytest.raises(DamagedFileError, match="001-head-00001"):
        open_store(tmp_path).verify()
    assert torch.equal(store.read(WIDE), activations()[WIDE])


def test_a_damaged_or_foreign_index_is_refused(tmp_path: Path) -> None:
    stored(tmp_path / "store")
    index = tmp_path / "store" / "index.parquet"
    content = index.read_bytes()
    for changed in (content[:-9], content[: len(content) // 2], b"", content[:80] + b"\x00" * 40 + content[120:]):
        index.write_bytes(changed)
        with pytest.raises(DamagedFileError, match=r"index\.parquet is not the index"):
            open_store(tmp_path / "store")
    labels().to_parquet(index)
    with pytest.raises(DamagedFileError, match=r"index\.parquet is not the index"):
        open_store(tmp_path / "store")
    with pytest.raises(UnknownNameError, match="Did you mean 'store'"):
        open_store(tmp_path / "stor")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("shards/000", "../outside/000", "is not the name of a shard"),
        ('"block": 3', '"block": 2', "do not tally"),
        ('"rows": 30', '"rows": 29', "do not tally"),
        ('"width": 8', '"width": 9', None),
        ('"F64"', '"F32"', None),
    ],
)
def test_an_index_that_says_what_is_not_so_is_refused(tmp_path: Path, old: str, new: str, message: str | None) -> None:
    stored(tmp_path)
    table = pyarrow.parquet.read_table(tmp_path / "index.parquet")
    about = table.schema.metadata[b"imprint"].decode()
    assert old in about
    table = table.replace_schema_metadata({**table.schema.metadata, b"imprint": about.replace(old, new).encode()})
    pyarrow.parquet.write_table(table, tmp_path / "index.parquet")
    with pytest.raises(DamagedFileError, match=message or r"shard .* holds F.*; expected F"):
        open_store(tmp_path).verify()


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    def breaking() -> Iterator[dict[str, Tensor]]:
        yield from cut(activations(), 40)
        raise RuntimeError("as planned")

    with pytest.raises(RuntimeError, match="as planned"):
        write(tmp_path, breaking(), shard_bytes=200)
    with pytest.raises(ImprintError, match="labels has 99 rows and the activations 100"):
        write(tmp_path, cut(activations(), 40), labels(99), shard_bytes=200)
    assert files(tmp_path) == []
    write(tmp_path, cut(activations(), 40))
    with pytest.raises(ImprintError, match="already holds a store"):
        write(tmp_path, cut(activations(), 40))


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "no activations to write"),
        ([{}], "a batch holds no site"),
        ([{"a": torch.ones(3)}], r"a: float32 \[3\]; expected floats"),
        ([{"a": torch.ones(0, 3)}], r"a: float32 \[0, 3\]"),
        ([{"a": torch.ones(3, 2, dtype=torch.int64)}], r"a: int64 \[3, 2\]"),
        ([{"a": torch.ones(3, 2), "b": torch.ones(4, 2)}], "as many rows at every site"),
        ([{"a": torch.ones(3, 2)}, {"a": torch.ones(3, 4)}], "of the first batch"),
        ([{"a": torch.ones(3, 2)}, {"b": torch.ones(3, 2)}], "of the first batch"),
        ([{"a": torch.full((3, 2), float("nan"))}], "'a' are NaN"),
    ],
)
def test_batches_that_do_not_fit_are_refused(tmp_path: Path, batches: list[dict[str, Tensor]], message: str) -> None:
    with pytest.raises(ImprintError, match=message):
        write(tmp_path, batches)
    assert files(tmp_path) == []


def test_slips(tmp_path: Path) -> None:
    store = stored(tmp_path / "store")
    with pytest.raises(UnknownNameError, match="Did you mean 'head'"):
        store.read("heat")
    with pytest.raises(UnknownNameError, match="unknown site in this store"):
        store.stream(["hed"])
    with pytest.raises(ImprintError, match="rows 50 to 101 were asked for"):
        store.read(NARROW, 50, 101)
    with pytest.raises(ImprintError, match="batch_size is 0"):
        store.stream(batch_size=0)
    with pytest.raises(ImprintError, match="missing labels"):
        stored(tmp_path / "x", groups=[None] * ROWS)
    with pytest.raises(ImprintError, match="none of"):
        stored(tmp_path / "x", labels=labels().rename(columns={"bell": "@group"}))


def test_halves_keep_their_type(tmp_path: Path) -> None:
    value = torch.randn(9, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert torch.equal(write(tmp_path, [{"a": value}]).read("a", 2, 7), value[2:7])
