"""Commands as a user gives them, what they print, and arrays of a user."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from imprint.cli import main
from imprint.schemas.outputs import FOLDER, OUTPUTS


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one message a command gives when it refuses."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == code
    message = capsys.readouterr().err
    assert "Traceback" not in message
    assert message.startswith("imprint: ")
    return message


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """What a command prints."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    caught = capsys.readouterr()
    assert end.value.code == code, caught.err
    return caught.out


def arrays(tmp_path: Path, **changes: np.ndarray) -> tuple[str, str]:
    """Files of arrays and labels with 60 rows."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 60)
    acts = {"late": rng.normal(size=(60, 4)) + label[:, None], "pixels": rng.normal(size=(60, 9)), **changes}
    np.savez(tmp_path / "acts.npz", **acts)
    frame = pd.DataFrame({"tall": label, "family": np.arange(60) // 3, "score": label + rng.normal(size=60)})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return str(tmp_path / "acts.npz"), str(tmp_path / "labels.csv")


def valid(command: str, data: Any) -> Any:
    """``data``, when it is what the schema file of a command describes; by its model where jsonschema is missing."""
    try:
        from jsonschema import Draft202012Validator
    except ImportError:
        OUTPUTS[command].model_validate(data)
        return data
    schema = json.loads((FOLDER / f"{command}.json").read_text(encoding="utf-8"))
    errors = [f"{error.json_path}: {error.message}"[:300] for error in Draft202012Validator(schema).iter_errors(data)]
    assert not errors, errors[:5]
    return data


def answered(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    """What a command prints with ``--json``, which its schema describes."""
    text = printed(capsys, *arguments, "--json", code=code)
    return valid(arguments[0], json.loads(text, parse_constant=pytest.fail))
