"""What holds for every test: one thread, and one process; with ``CHECK_TYPES=1`` annotations are checked at run time.

The hook rewrites the annotated functions of the rooms so that beartype checks every call, which takes half as long
again. ``make quick`` and ``make processors`` ask for it, the whole suite does without. The face (``imprint`` itself and
its command line) has no arrays in its signatures and is left alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

if os.environ.get("CHECK_TYPES") == "1":
    from jaxtyping import install_import_hook

    install_import_hook(["imprint.models", "imprint.probes", "imprint.analyses"], "beartype.beartype")

import pytest  # noqa: E402 (the environment and the hook come first)
import torch  # noqa: E402

from imprint.analyses import engine  # noqa: E402

torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that are marked long come first."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


@pytest.fixture(scope="session", autouse=True)
def _cells_run_in_this_process() -> Iterator[None]:
    """A test that wants processes says how many; the others do not wait for any to start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "available_cores", lambda: 1)
        yield
