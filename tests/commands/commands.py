"""Commands as a user gives them, and what is said in return."""

from __future__ import annotations

import pytest

from imprint.cli import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 2) -> str:
    """The one message a command gives when it refuses."""
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == code
    message = capsys.readouterr().err
    assert "Traceback" not in message
    assert message.startswith("imprint: ")
    return message


def told(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    caught = capsys.readouterr()
    assert end.value.code == code, caught.err
    return caught.out
