"""JSON, tables and bytes written whole or not at all, without importing torch; pandas and numpy only with tables.

Every file is written under a temporary name in the same folder, flushed to disk and renamed, so that a kill, a full
disk or a lost connection leaves either the old file or the new one.

A parquet file carries one metadata entry, ``imprint``, in JSON: ``digest`` is the SHA-256 of the whole file with the
digest itself replaced by zeros, ``name`` the file's own name without its suffix, and ``registration`` the hash of the
``registration.json`` under which it was written (:mod:`imprint.analyses.registration`).
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import secrets
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from imprint.models.errors import AGAIN, DamagedFileError, ImprintError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray


class StorageError(ImprintError):
    """A folder that cannot be written to: no permission, no space left, or gone."""

    def __reduce__(self) -> tuple[type[StorageError], tuple[str]]:
        return (StorageError, (str(self),))


REGISTRATION = "registration.json"
"""Name of the file that says what was fixed before the results in its folder existed."""
SEAL = b"imprint"
"""Name of the metadata entry with a table's digest."""
DEPTH, ENTRIES = 32, 100_000
"""Levels and entries that settings may have."""
BLANK = "0" * 64
"""What stands for the digest while it is computed."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, with the permissions that the process's umask leaves.

    Raises :class:`StorageError` when the folder cannot take it.
    """
    temporary = path.parent / f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            temporary.unlink()
        reason = getattr(error, "strerror", None) or str(error)
        full = getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        advice = "Free space, or choose another place" if full else "Choose another place"
        raise StorageError(f"cannot write {path}: {reason}. {advice}.") from error


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON with keys in the order given; NaN is refused with ``ValueError``."""
    write_bytes(path, (json.dumps(data, indent=2, allow_nan=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """The content of a JSON file. Raises :class:`DamagedFileError` when it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path} cannot be read as JSON, so it is damaged or half written: {error}.") from None


def read_record(path: Path) -> dict[str, Any]:
    """The content of a JSON file that holds a mapping. Raises :class:`DamagedFileError` for any other file."""
    data = read_json(path)
    if not isinstance(data, dict):
        raise DamagedFileError(f"{path} holds {type(data).__name__}; expected a mapping. {AGAIN}")
    return data


def parse_yaml(text: str, source: object) -> Any:
    """The content of a YAML text as plain mappings with text keys, lists, texts, numbers, truth values and None.

    Raises :class:`ImprintError`, which names the ``source``, for text that is no YAML, keys that occur twice, and all
    that :func:`plain_data` refuses.
    """
    try:
        data = yaml.load(text, Loader=_UniqueKeys)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ImprintError(f"{source} is not readable YAML: {_where_broken(error)}.") from None
    return plain_data(data, source)


def _where_broken(error: Exception) -> str:
    """What is wrong with a YAML text and in which line, in one line."""
    mark = getattr(error, "problem_mark", None)
    why = " ".join(str(getattr(error, "problem", None) or error).split()).rstrip(".")
    return why if mark is None else f"{why} (line {mark.line + 1}, column {mark.column + 1})"


class _UniqueKeys(yaml.SafeLoader):
    """YAML's safe loader, which also refuses a key that occurs twice in one mapping."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are all different."""
        keys = [str(key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        if twice := sorted({key for key in keys if keys.count(key) > 1}):
            raise yaml.YAMLError(f"the key {twice[0]!r} occurs twice in one mapping (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def whole_characters(text: str, where: str) -> str:
    """The text with the two halves joined in which JSON writes rare characters (UTF-16 surrogates).

    Raises :class:`ImprintError`, which begins with ``where``, for a half alone, which no file can hold.
    """
    try:
        return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ImprintError(f"{where} is {text!r:.60}, with half a character (a lone UTF-16 surrogate).") from None


def plain_data(data: Any, source: object) -> Any:
    """A copy of nested mappings and lists, with NumPy's numbers as Python's.

    Raises :class:`ImprintError` for what JSON has no form for, and for depth. Nor are more than 100,000 entries taken,
    which a few nested YAML references can amount to.
    """
    left = ENTRIES

    def copy(value: Any, path: tuple[str, ...]) -> Any:
        nonlocal left
        left -= 1
        if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
            value = value.item()  # a number out of an array is that number
        if left < 0 or len(path) > DEPTH:
            much = f"more than {ENTRIES:,} entries" if left < 0 else f"more than {DEPTH} levels"
            raise ImprintError(f"{source} has {much}; expected a mapping of settings.")
        if isinstance(value, str):
            return whole_characters(value, f"{source}: {'.'.join(path)}")
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            if odd := [key for key in value if not isinstance(key, str)]:
                raise ImprintError(
                    f"{source}: the key {odd[0]!r} is {type(odd[0]).__name__}; expected text (quote it)."
                )
            return {whole_characters(key, f"{source}: a key"): copy(item, (*path, key)) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [copy(item, (*path, str(place))) for place, item in enumerate(value)]
        where = ".".join(path) or "it"
        raise ImprintError(f"{source}: {where} is {type(value).__name__} {value!r}; expected text, a number or a list.")

    return copy(data, ())


def registration_above(path: Path) -> str:
    """Hash of the nearest ``registration.json`` in the three folders above a file; empty without one."""
    for folder in list(path.absolute().parents)[:3]:
        if (folder / REGISTRATION).is_file():
            return str(read_record(folder / REGISTRATION).get("registration", ""))
    return ""


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a parquet file with its digest; the same table under the same registration gives the same bytes."""
    write_bytes(path, table_bytes(path, table))


def table_bytes(path: Path, table: pd.DataFrame) -> bytes:
    """What :func:`write_table` writes."""
    import pyarrow
    from pyarrow import parquet

    about = json.dumps({"digest": BLANK, "name": path.stem, "registration": registration_above(path)}, sort_keys=True)
    arrow = pyarrow.Table.from_pandas(table, preserve_index=False)
    arrow = arrow.replace_schema_metadata({**(arrow.schema.metadata or {}), SEAL: about.encode()})
    buffer = io.BytesIO()
    parquet.write_table(arrow, buffer, compression="zstd")
    content = buffer.getvalue()
    return content.replace(_entry(BLANK), _entry(hashlib.sha256(content).hexdigest()))


def _entry(digest: str) -> bytes:
    return f'"digest": "{digest}"'.encode()


def seal_of(path: Path) -> dict[str, str]:
    """Digest, name and registration that a parquet file carries; empty when it carries none.

    Raises :class:`DamagedFileError` for a file that is not parquet, or that was changed after it was written.
    """
    import pyarrow
    from pyarrow import parquet

    try:
        content = path.read_bytes()
        metadata = parquet.read_metadata(io.BytesIO(content)).metadata or {}
        seal = {str(key): str(value) for key, value in json.loads(metadata.get(SEAL, b"{}")).items()}
    except (OSError, ValueError, AttributeError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} cannot be read as parquet: {str(error).rstrip('.')}. {AGAIN}") from None
    if seal:
        digest = seal.get("digest", "")
        if hashlib.sha256(content.replace(_entry(digest), _entry(BLANK))).hexdigest() != digest:
            raise DamagedFileError(f"{path} was changed after it was written (its digest does not match). {AGAIN}")
    return seal


def read_table(path: Path, *, changed: bool = False) -> pd.DataFrame:
    """The table in a parquet file.

    Raises :class:`DamagedFileError` when it cannot be read and, unless ``changed`` tables are wanted too, when its
    content is not that of its digest. Tables without a digest, as older versions wrote them, are read.
    """
    import pandas as pd
    import pyarrow

    if not changed:
        seal_of(path)
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        raise DamagedFileError(f"{path} cannot be read as parquet: {str(error).rstrip('.')}. {AGAIN}") from None


def csv_text(table: pd.DataFrame) -> str:
    """A table as CSV that a spreadsheet shows and never runs; NaN is an empty field.

    Text that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage
    return, and is no number) gets an apostrophe before it (OWASP, CSV injection).
    """
    import pandas as pd

    safe = table.rename(columns=lambda name: _inert(str(name)))
    for place, kind in enumerate(table.dtypes):
        if not (pd.api.types.is_numeric_dtype(kind) or pd.api.types.is_datetime64_any_dtype(kind)):
            safe.isetitem(place, table.iloc[:, place].astype(object).map(_inert).to_numpy())
    return str(safe.to_csv(index=False))


def _inert(value: Any) -> Any:
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


@contextmanager
def alone_in(folder: Path, *, wait: float = 0.0) -> Iterator[None]:
    """Keep a folder for this process until the block ends, however the process ends.

    Raises :class:`ImprintError` when another process still has it after ``wait`` seconds.
    """
    if os.name != "posix":
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise StorageError(f"cannot write {folder}: {error.strerror}. Choose another folder (--out).") from error
    try:
        latest = time.monotonic() + wait
        while not _locked(handle) and time.monotonic() < latest:
            time.sleep(0.1)
        if not _locked(handle):
            owner = os.read(handle, 32).decode(errors="replace").strip() or "unknown"
            raise ImprintError(
                f"{folder} is being worked on by another process (number {owner}). Wait for it to end, "
                "or choose another folder with --out."
            )
        with suppress(OSError):  # on a full disk, which the first file that is needed then names
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Whether this process has the lock of an open file; it is taken when nobody has it."""
    import fcntl

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Compressed ``.npz`` without pickled objects."""
    import numpy as np

    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_bytes(path, buffer.getvalue())


DAMAGE = (EOFError, RuntimeError, ValueError, zipfile.BadZipFile, zlib.error)
"""What reading a truncated or altered ``.npz`` raises; ``RuntimeError`` comes with impossible flags or methods."""


PAGE_SEAL = re.compile(rb"<!-- sha256 ([0-9a-f]{64}) of ([0-9a-f]{64}) -->\n$")
"""Last comment of a page: SHA-256 of all before it, and of the table of results that it shows."""


def write_page(path: Path, text: str, results: Path) -> None:
    """Write a page of the table ``results`` with its seal, whole or not at all.

    Raises :class:`DamagedFileError` where there is no such table: no page stands for results that are not there.
    """
    content = text.rstrip("\n").encode("utf-8") + b"\n"
    try:
        shown = results.read_bytes()
    except OSError as error:
        raise DamagedFileError(
            f"{results} cannot be read, so there are no results to report: {error.strerror}. The command that made the "
            "folder, given again, goes on from what is finished."
        ) from None
    digests = (hashlib.sha256(part).hexdigest() for part in (content, shown))
    write_bytes(path, content + f"<!-- sha256 {' of '.join(digests)} -->\n".encode())


def page_fault(path: Path, results: Path) -> str | None:
    """What is wrong with a page; empty when nothing is, None for one without a seal."""
    content = path.read_bytes()
    seal = PAGE_SEAL.search(content)
    if seal is None:
        return None
    if hashlib.sha256(content[: seal.start()]).hexdigest().encode() != seal[1]:
        return "report.html was changed after it was written"
    if not results.is_file() or hashlib.sha256(results.read_bytes()).hexdigest().encode() != seal[2]:
        return "report.html is of other results; `imprint report` writes it again"
    return ""
