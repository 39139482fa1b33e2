"""Requests that are refused or served whole, and how a command ends when it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import imprint.commands.run
import imprint.commands.user_arrays
from imprint.cli import main
from tests.commands.commands import printed, refused

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "nurzery"], ["unknown setup 'nurzery'", "Did you mean 'nursery'?"]),
        (["run", "--set", "schedule.agse=3"], ["schedule.agse", "unknown key", "Did you mean 'ages'?"]),
        (["run", "--set", "schedule.batch=many"], ["schedule.batch", "'many'"]),
        (["run", "--set", "schedule.learning_rate=-1"], ["schedule.learning_rate", "greater than 0", "-1"]),
        (["run", "--set", "world.kind=nursry"], ["nursry", "Did you mean 'nursery'?"]),
        (["run", "--set", "schedule.ages"], ["schedule.ages", "KEY=VALUE"]),
        (["run", "--set", "schedule.ages=[1"], ["not a YAML value"]),
        (["run", "--seeds", "0"], ["--seeds", "greater than or equal to 1"]),
        (["run", "--seeds", "some"], ["--seeds", "integer"]),
        (["run", "--backend", "cloud"], ["--backend", "cloud", "local"]),
        (["run", "--sedes", "3"], ["--sedes", "--seeds", "imprint run --help"]),
        (["rnu"], ["'rnu'", "Did you mean 'run'?"]),
        (["list", "worlsd"], ["unknown family 'worlsd'", "Did you mean 'worlds'?"]),
        (["show", "nurzery"], ["nurzery", "Did you mean 'nursery'?"]),
        (["show", "worlds/nurzery"], ["nurzery", "Did you mean 'nursery'?"]),
        (["locate", "no-such-run"], ["unknown run folder 'no-such-run'"]),
        (["latch", "no-such-run"], ["unknown run folder 'no-such-run'"]),
        (["report", "no-such-run"], ["unknown run folder 'no-such-run'"]),
        (["locate", "run", "--inputs", "x"], ["--inputs", "goes with ACTS and CONCEPTS"]),
        (["locate", "run", "--nulls", "20"], ["--nulls", "goes with ACTS and CONCEPTS"]),
        (["locate", "run", "--alpha", "0.05"], ["--alpha", "goes with ACTS and CONCEPTS"]),
        (["locate", "run", "--seed", "0"], ["--seed", "goes with ACTS and CONCEPTS"]),
        (["latch", "run", "--seed", "0"], ["--seed", "goes with ACTS and CONCEPTS"]),
        (["locate", "acts.npz", "labels.csv"], ["acts.npz"]),
        (["compare", "nursery"], ["two or more"]),
    ],
)
def test_bad_input_gets_one_message_and_exit_code_2(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, *arguments)
    for word in words:
        assert word in message
    assert not list(tmp_path.iterdir()), "nothing may be written for a request that is refused"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "text"], ["text holds a text", "mapping of setup fields"]),
        (["run", "empty"], ["empty holds nothing"]),
        (["run", "torn.yaml"], ["not readable YAML", "line 3"]),
        (["run", "bytes"], ["no text in UTF-8"]),
        (["run", "gone.yaml"], ["gone.yaml is not there"]),
        (["run", "folder"], ["folder is a folder"]),
        (["run", "half"], ["half is a run", "half/setup.yaml"]),
        (["run", "--set", "schedule=3"], ["schedule: expected a mapping"]),
        (["locate", "text"], ["text is a file", "labels.csv"]),
        (["locate", "x" * 300], ["is no path"]),
        (["locate", "asked"], ["asked is the answer to a question", "imprint report asked"]),
        (["latch", "half"], ["findings.parquet is not in the run folder", "goes on"]),
        (["export", "half"], ["nothing to export"]),
        (["locate", "acts.npz", "empty.csv"], ["it is empty"]),
        (["show", "lerners/conv"], ["unknown family 'lerners'", "Did you mean 'learners'?"]),
        (["show", "folder"], ["folder is a folder"]),
        (["organisms"], ["Missing command", "imprint organisms --help"]),
        (["organisms", "make"], ["--out", "imprint organisms make --help"]),
    ],
)
def test_what_is_something_else_than_was_expected_is_named_in_one_line(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    words: list[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("folder", "half", "asked"):
        Path(folder).mkdir()
    Path("half/setup.yaml").write_text("name: half\n", encoding="utf-8")
    Path("asked/question.json").write_text("{}", encoding="utf-8")
    for name, content in (("text", b"hello"), ("torn.yaml", b"name: [x\n\n"), ("bytes", b"\x80\xff"), ("empty", b"")):
        Path(name).write_bytes(content)
    Path("empty.csv").touch()
    np.savez("acts.npz", late=np.zeros((4, 2)))
    message = refused(capsys, *arguments).strip()
    assert "\n" not in message and all(word in message for word in words), message


def test_no_argument_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Start with: imprint run" in printed(capsys)


def test_arrays_use_the_documented_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given: list[dict[str, object]] = []
    for name in ("locate_arrays", "latch_arrays"):
        monkeypatch.setattr(imprint.commands.user_arrays, name, lambda *_, **named: given.append(named))
    printed(capsys, "locate", "acts.npz", "labels.csv")
    printed(capsys, "latch", "acts.npz", "labels.csv", "--value", "v", "--intended", "a", "--proxies", "b")
    printed(capsys, "locate", "acts.npz", "labels.csv", "--nulls", "7", "--alpha", "0.1", "--seed", "3")
    assert [(named.get("nulls"), named.get("alpha"), named["seed"]) for named in given] == [
        (20, 0.05, 0),
        (None, None, 0),
        (7, 0.1, 3),
    ]


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_that_an_import_swallowed_is_not_taken_for_a_defect(
    number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def half_imported(*given: object, **named: object) -> None:
        with suppress(BaseException):
            signal.raise_signal(number)
        raise RecursionError("of a module that is half imported")

    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    monkeypatch.setattr(imprint.commands.run, "run_setup", half_imported)
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with pytest.raises(SystemExit) as end:
            main(["run"])
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert end.value.code == code and "the same command goes on" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_code_and_says_how_to_go_on(number: signal.Signals, code: int) -> None:
    wait = (
        # as in a terminal: a process in the background ignores SIGINT
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "import imprint.commands.run as r, time\n"
        "def busy(*a, **k):\n    print('busy', flush=True)\n    time.sleep(60)\n"
        "r.run_setup = busy\n"
        "from imprint.cli import main\nmain(['run'])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", wait], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "busy\n"
        process.send_signal(number)
        assert process.stderr is not None
        first = process.stderr.readline() + process.stderr.readline()
        process.send_signal(number)  # again, while it ends
        message = first + process.communicate(timeout=30)[1]
    assert process.returncode in (code, -number)
    assert "the same command goes on" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(("error", "words"), [(OSError(28, "No space left on device", "runs/x"), "runs/x: No space")])
def test_trouble_with_the_disk_is_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    def fail(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(imprint.commands.run, "run_setup", fail)
    assert words in refused(capsys, "run")


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: object, **named: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr(imprint.commands.run, "run_setup", fail)
    with pytest.raises(KeyError, match="defect"):
        main(["run"])
