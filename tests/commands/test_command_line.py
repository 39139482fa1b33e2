from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.latch.latch import latch_from_arrays
from imprint.cli import main
from imprint.reports.reading.run import load_run
from tests.commands.commands import refused, told

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


def test_no_argument_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert "Start with: imprint run" in told(capsys)


def test_list_names_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    page = told(capsys, "list")
    for name in ("setups", "worlds", "learners", "steering", "assessors", "nursery", "conv", "detector", "valence"):
        assert name in page
    assert "conv" not in told(capsys, "list", "worlds")


def test_show_fills_in_every_default_of_a_setup(capsys: pytest.CaptureFixture[str]) -> None:
    page = told(capsys, "show", "nursery")
    for words in ("intended: caregiver", "alpha: 0.05", "learning_rate:", "imprint show worlds/nursery"):
        assert words in page


def test_show_gives_a_member_with_types_defaults_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    page = told(capsys, "show", "detector")
    for words in ("P(miss)", "false_alarm", ">= 0.0", "(required)", "Probability that a true firing is lost."):
        assert words in page
    assert "caregiver_hidden" in told(capsys, "show", "worlds/nursery")


def arrays(tmp_path: Path, **changes: np.ndarray) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    label = rng.integers(0, 2, 60)
    acts = {"late": rng.normal(size=(60, 4)) + label[:, None], "pixels": rng.normal(size=(60, 9)), **changes}
    np.savez(tmp_path / "acts.npz", **acts)
    frame = pd.DataFrame({"tall": label, "family": np.arange(60) // 3, "score": label + rng.normal(size=60)})
    frame.to_csv(tmp_path / "labels.csv", index=False)
    return str(tmp_path / "acts.npz"), str(tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("changes", "options", "words"),
    [
        ({"late": np.zeros((59, 4))}, [], ["'late' has 59 rows", "has 60"]),
        ({"late": np.full((60, 4), np.nan)}, [], ["'late' holds NaN", "row 0"]),
        ({"late": np.full((60, 4), "x")}, [], ["'late' holds <U1"]),
        ({}, ["--groups", "famly"], ["famly", "Did you mean 'family'?"]),
        ({}, ["--inputs", "pixel"], ["pixel", "Did you mean 'pixels'?"]),
        ({}, ["--site", "lat"], ["unknown site", "Did you mean 'late'?"]),
        ({}, ["--concept", "tal"], ["unknown concept", "Did you mean 'tall'?"]),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    changes: dict[str, np.ndarray],
    options: list[str],
    words: list[str],
) -> None:
    message = refused(capsys, "locate", *arrays(tmp_path, **changes), *options)
    for word in words:
        assert word in message


def test_damaged_and_pickled_arrays_are_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    whole = Path(acts).read_bytes()
    Path(acts).write_bytes(whole[: len(whole) // 2])
    assert "truncated" in refused(capsys, "locate", acts, labels)
    np.savez(acts, late=np.array([{"a": 1}] * 60, dtype=object))
    assert "Python objects" in refused(capsys, "locate", acts, labels)
    Path(labels).write_bytes(b"")
    arrays_again = tmp_path / "good.npz"
    np.savez(arrays_again, late=np.zeros((3, 2)))
    assert "labels.csv" in refused(capsys, "locate", str(arrays_again), labels)


def test_an_altered_compressed_array_is_said_to_be_damaged(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    np.savez_compressed(acts, late=np.random.default_rng(0).normal(size=(60, 4)))
    whole = bytearray(Path(acts).read_bytes())
    whole[100:110] = b"\xff" * 10
    Path(acts).write_bytes(whole)
    with pytest.raises(zlib.error), np.load(acts) as file:
        file["late"]
    assert "damaged" in refused(capsys, "locate", acts, labels)

    (tmp_path / "setup.yaml").write_text("name: altered\n")
    artefact = tmp_path / "artefacts" / "gallery.npz"
    artefact.parent.mkdir()
    artefact.write_bytes(whole)
    found = load_run(tmp_path).arrays("gallery", ("late",))
    assert not found.values
    assert "gallery.npz cannot be read: the file is damaged" in found.missing


def test_labels_that_are_no_parquet_are_said_to_be_so(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    table = tmp_path / "labels.parquet"
    table.write_bytes(Path(labels).read_bytes())
    message = refused(capsys, "locate", acts, str(table))
    assert "labels.parquet cannot be read as parquet" in message
    assert "--resume" not in message
    pd.read_csv(labels).to_parquet(table)
    assert "late" in told(capsys, "locate", acts, str(table), "--groups", "family")


def test_compare_refuses_seeds_for_what_has_been_run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "done").mkdir()
    for names in (["done", "nursery"], ["nursery", "done"]):
        message = refused(capsys, "compare", *names, "--seeds", "3")
        assert "--seeds only applies to setups, and done is a run folder" in message
    assert [path.name for path in tmp_path.iterdir()] == ["done"]


def test_latch_on_arrays_asks_for_what_it_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    assert "--value" in refused(capsys, "latch", acts, labels)
    given = ["--intended", "tall", "--proxies", "family"]
    assert "Did you mean 'score'?" in refused(capsys, "latch", acts, labels, "--value", "scor", *given)
    given = ["--value", "score", "--intended", "tal", "--proxies", "family"]
    assert "Did you mean 'tall'?" in refused(capsys, "latch", acts, labels, *given)


def test_locate_on_arrays_finds_what_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    page = told(capsys, "locate", *arrays(tmp_path), "--groups", "family", "--inputs", "pixels", "--csv", str(out))
    assert "late" in page
    found = pd.read_csv(out)
    assert set(found["concept"]) == {"tall", "score"}
    assert set(found["site"]) == {"late"}


def test_arrays_use_the_documented_defaults(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import imprint.commands.user_arrays

    given: list[dict[str, object]] = []
    for name in ("locate_arrays", "latch_arrays"):
        monkeypatch.setattr(imprint.commands.user_arrays, name, lambda *_, **named: given.append(named))
    told(capsys, "locate", "acts.npz", "labels.csv")
    told(capsys, "latch", "acts.npz", "labels.csv", "--value", "v", "--intended", "a", "--proxies", "b")
    told(capsys, "locate", "acts.npz", "labels.csv", "--nulls", "7", "--alpha", "0.1", "--seed", "3")
    assert [(named.get("nulls"), named.get("alpha"), named["seed"]) for named in given] == [
        (20, 0.05, 0),
        (None, None, 0),
        (7, 0.1, 3),
    ]


def test_what_is_shown_does_not_change_what_is_found(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tables, pages = [], []
    for number, options in enumerate(([], ["--concept", "score"], ["--site", "late"])):
        out = tmp_path / f"{number}.csv"
        pages.append(told(capsys, "locate", *arrays(tmp_path), "--groups", "family", "--csv", str(out), *options))
        tables.append(out.read_bytes())
    assert tables[0] == tables[1] == tables[2]

    def shown(page: str) -> list[str]:
        cells = [[word.strip() for word in line.split("\u2502")] for line in page.splitlines()]
        return [" ".join(line) for line in cells if len(line) == 9 and line[0] in ("tall", "score")]

    assert len(shown(pages[0])) == 4
    assert shown(pages[1]) == [line for line in shown(pages[0]) if line.startswith("score")]
    assert shown(pages[2]) == [line for line in shown(pages[0]) if " late " in line]
    assert "tall" not in pages[1]


def test_a_cell_without_an_answer_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path, late=np.ones((60, 4)))
    pd.read_csv(labels).assign(always=1).to_csv(labels, index=False)
    out = tmp_path / "found.csv"
    page = " ".join(told(capsys, "locate", acts, labels, "--groups", "family", "--csv", str(out)).split())
    found = pd.read_csv(out)
    assert "not measurable: always at late, pixels: 1 classes occur (only 1)" in page
    assert "not measurable: tall at late: every column is constant" in page
    unsure = found[found["verdict"] == "undetermined"]
    assert not unsure.empty
    for row in unsure.itertuples():
        assert f"undetermined: {row.concept} at {row.site}: {row.why}" in page


def test_locate_on_arrays_keeps_silent_about_what_is_answered(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    label = np.arange(60) % 2
    np.savez(tmp_path / "acts.npz", late=label[:, None] + np.random.default_rng(0).normal(size=(60, 2)) / 10)
    pd.DataFrame({"tall": label}).to_csv(tmp_path / "labels.csv", index=False)
    page = told(capsys, "locate", str(tmp_path / "acts.npz"), str(tmp_path / "labels.csv"))
    assert "present" in page
    assert "present:" not in page
    assert "undetermined" not in page


def test_latch_on_arrays_says_why(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    rng = np.random.default_rng(0)
    tall, wide = rng.integers(0, 2, 60), rng.integers(0, 2, 60)
    frame = pd.DataFrame({"tall": tall, "wide": wide, "score": tall + rng.normal(size=60) / 10, "still": 1.0})
    frame.to_csv(labels, index=False)
    for value in ("score", "still"):
        found = latch_from_arrays(frame[value].to_numpy(), frame[["tall", "wide"]], intended="tall", proxies=["wide"])
        page = told(capsys, "latch", acts, labels, "--value", value, "--intended", "tall", "--proxies", "wide")
        assert f"verdict: {found.verdict}" in page
        assert found.why
        assert found.why in " ".join(page.split())


def test_names_cannot_drive_the_terminal() -> None:
    from imprint.commands.text import console, plain, table

    assert plain("a\x1b[31mb\u202ec") == "a[31mbc"
    page = console()
    with page.capture() as caught:
        page.print(table("t", ("name",), [("[red]concept[/red]",)]))
    assert "[red]concept[/red]" in caught.get()


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_with_its_code_and_says_how_to_go_on(number: signal.Signals, code: int) -> None:
    wait = (
        # as in a terminal: what runs in the background is born deaf to SIGINT
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
        _, message = process.communicate(timeout=30)
    assert process.returncode == code
    assert "--resume" in message
    assert "Traceback" not in message


@pytest.mark.parametrize(("error", "words"), [(OSError(28, "No space left on device", "runs/x"), "runs/x: No space")])
def test_trouble_with_the_disk_is_a_message(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: OSError, words: str
) -> None:
    import imprint.commands.run

    def fail(*given: object, **named: object) -> None:
        raise error

    monkeypatch.setattr(imprint.commands.run, "run_setup", fail)
    assert words in refused(capsys, "run")


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    import imprint.commands.run

    def fail(*given: object, **named: object) -> None:
        raise KeyError("defect")

    monkeypatch.setattr(imprint.commands.run, "run_setup", fail)
    with pytest.raises(KeyError, match="defect"):
        main(["run"])


@dataclass(frozen=True)
class Told:
    cell: str
    done: int
    total: int
    note: str = ""


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_shows_every_cell_to_its_end(terminal: bool) -> None:
    from rich.console import Console

    from imprint.commands.progress import Bars

    page = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    with Bars(page) as bars:
        for told_ in (Told("seeds 0-2", 64, 640), Told("seeds 0-2", 128, 640), Told("[x]", 0, 1, "failed")):
            bars(told_)
        bars(Told("seeds 0-2", 1, 1, "done"))
    assert isinstance(page.file, io.StringIO)
    text = page.file.getvalue()
    assert "seeds 0-2" in text
    assert "[x]" in text
    assert "failed" in text
    assert ("640/640" if terminal else "seeds 0-2: 1 of 1  done") in text


def test_missing_numbers_are_not_zero() -> None:
    from imprint.commands.text import interval, number

    assert number(float("nan")) == "-"
    assert number(None) == "-"
    assert number(-0.001) == "0.00"
    assert interval(0.314, 0.2, float("nan")) == "0.31 [0.20, -]"
    assert interval(float("nan"), 0.0, 1.0) == "-"
