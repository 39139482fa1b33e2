"""What holds for every test: one thread, shapes and types checked at run time.

The hook rewrites the annotated functions of the rooms so that every call is checked by beartype, jaxtyping shapes
included. The face (``imprint`` itself and its command line) has no arrays in its signatures and is left alone.
"""

from __future__ import annotations

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_name] = "1"

from jaxtyping import install_import_hook  # noqa: E402 (the environment comes first)

CHECKED = ["imprint.models", "imprint.probes", "imprint.analyses"]

install_import_hook(CHECKED, "beartype.beartype")

import torch  # noqa: E402 (so does the hook)

torch.set_num_threads(1)
