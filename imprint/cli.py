"""The command ``imprint``: errors, signals and exit codes, the same for every command.

Nothing heavy is imported here, so that the command answers at once and can be interrupted at any moment. The commands
are in ``imprint.commands.app``. What the exit codes mean (0, 1, 2, 130, 143) stands in ``docs/json.md``.

Any other exception is a defect in this program and keeps its traceback.
"""

from __future__ import annotations

import io
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

RESUMABLE = ("run", "compare", "analyse", "organisms", "replicate", "study", "sweep")
"""Commands that can go on from what a stopped run of them finished."""


class Terminated(BaseException):
    """The process received SIGTERM; not an ``Exception``, so that no handler on the way swallows it."""


_came: list[int] = []
"""Exit codes of the signals that came. Whoever imports a module may swallow what a signal raises, and leave the module
half imported; whatever fails afterwards is no defect then."""


def _terminate(number: int, frame: FrameType | None) -> None:
    _came.append(143)
    raise Terminated


def _interrupt(number: int, frame: FrameType | None) -> None:
    _came.append(130)
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line given (default: that of the process) and exit with its code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # signs that an old encoding lacks are replaced, not a reason to fail
            stream.reconfigure(errors="replace")
    try:
        code = _run(words)
        sys.stdout.flush()
    except (KeyboardInterrupt, Terminated) as stop:
        code = _stopped(words, 143 if isinstance(stop, Terminated) else 130)
    except BrokenPipeError:
        # The reader of the output is gone (``imprint list | head``), so no message can reach anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception:
        if not _came:
            raise
        code = _stopped(words, _came[0])
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    _came.clear()
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored, as under nohup
        signal.signal(signal.SIGINT, _interrupt)
    # One thread per process, set before any numerical library starts its own pool: work is parallel over cells.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    from typer.exceptions import TyperException

    from imprint.commands.app import app
    from imprint.models.errors import ImprintError
    from imprint.models.memory import within_memory

    try:
        with within_memory():
            code = app(arguments or ["--help"], prog_name="imprint", standalone_mode=False)
    except TyperException as error:
        said = error.format_message().rstrip()
        return _refuse(f"{said}{'' if said.endswith(('.', '?', '!')) else '.'} {_where_help(arguments)}")
    except ImprintError as error:
        return _refuse(str(error), error.exit_code)
    except BrokenPipeError:
        raise
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _refuse(f"{where}{error.strerror or error}. What was finished before is kept.")
    except ValueError as error:
        if (explained := _explained(error)) is None:
            raise
        return _refuse(explained)
    if code == 130:
        return _stopped(arguments, 130)
    return code if isinstance(code, int) else 0


def _explained(error: ValueError) -> str | None:
    """The reasons of a pydantic validation error, or None for any other error."""
    pydantic = sys.modules.get("pydantic")
    if pydantic is None or not isinstance(error, pydantic.ValidationError):
        return None
    from imprint.models.setup.reasons import explain

    return explain(error)


def _where_help(arguments: list[str]) -> str:
    from typer.main import get_command

    from imprint.commands.app import app

    told, here = ["imprint"], get_command(app)
    for word in arguments:
        if (inner := getattr(here, "commands", {}).get(word)) is None:
            break
        told.append(word)
        here = inner
    return f"Try '{' '.join(told)} --help'."


def _refuse(message: str, code: int = 2) -> int:
    from imprint.commands.text import plain

    print(f"imprint: {plain(message)}", file=sys.stderr)  # noqa: T201 (the program's output)
    return code


def _stopped(arguments: list[str], code: int) -> int:
    for number in (signal.SIGINT, signal.SIGTERM):  # who asks again while the process ends gets no traceback for it
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    message = "Interrupted." if code == 130 else "Stopped by SIGTERM."
    if any(word in RESUMABLE for word in arguments):
        message += " Finished cells and checkpoints are kept; the same command goes on from them."
    print(f"\nimprint: {message}", file=sys.stderr)  # noqa: T201
    return code
