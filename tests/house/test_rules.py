from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAD = '"""A module."""\n\n'


def ruff(code: str, tmp_path: Path, file: str = "models/example.py") -> str:
    """What ruff says about ``code`` as if it stood in ``file``."""
    command = [
        sys.executable,
        "-m",
        "ruff",
        "check",
        "--output-format=concise",
        "--no-cache",
        f"--stdin-filename={file}",
        "-",
    ]
    return subprocess.run(command, cwd=ROOT, input=HEAD + code, capture_output=True, text=True, check=False).stdout


@pytest.mark.parametrize(
    "code",
    [
        "import models\n\nprint(models)\n",
        "from models.setup import Setup\n\n__all__ = ['Setup']\n",
        "from probes import moments\n\n__all__ = ['moments']\n",
        "import pickle\n\n__all__ = ['pickle']\n",
        "import torch\n\nLOADED = torch.load('x')\n",
        "import torchvision\n\n__all__ = ['torchvision']\n",
    ],
)
def test_banned_imports_are_caught(code: str, tmp_path: Path) -> None:
    assert "TID251" in ruff(code, tmp_path)


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("from . import setup\n\n__all__ = ['setup']\n", "TID252"),
        ("import numpy as np\n\nnp.random.seed(0)\n", "NPY002"),
        ("def f() -> None:\n    pass\n", "D103"),
        ("try:\n    VALUE = 1\nexcept Exception:\n    VALUE = 2\n", "BLE001"),
        ("print('loaded')\n", "T201"),
    ],
)
def test_the_house_rules_are_on(code: str, rule: str, tmp_path: Path) -> None:
    assert rule in ruff(code, tmp_path)


def test_the_right_import_is_fine(tmp_path: Path) -> None:
    code = "from imprint.models.setup.load import Setup\n\n__all__ = ['Setup']\n"
    assert "All checks passed" in ruff(code, tmp_path)
