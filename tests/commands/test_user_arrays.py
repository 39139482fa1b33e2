"""``imprint locate`` and ``imprint latch`` on arrays of a user."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from imprint.analyses.latch.latch import latch_from_arrays
from tests.commands.commands import arrays, printed, refused


def test_latch_on_arrays_asks_for_what_it_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    acts, labels = arrays(tmp_path)
    assert "--value" in refused(capsys, "latch", acts, labels)
    given = ["--intended", "tall", "--proxies", "family"]
    assert "Did you mean 'score'?" in refused(capsys, "latch", acts, labels, "--value", "scor", *given)
    given = ["--value", "score", "--intended", "tal", "--proxies", "family"]
    assert "Did you mean 'tall'?" in refused(capsys, "latch", acts, labels, *given)


def test_locate_on_arrays_finds_what_is_there(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "found.csv"
    page = printed(capsys, "locate", *arrays(tmp_path), "--groups", "family", "--inputs", "pixels", "--csv", str(out))
    assert "late" in page
    found = pd.read_csv(out)
    assert set(found["concept"]) == {"tall", "score"}
    assert set(found["site"]) == {"late"}


def test_locate_on_arrays_reads_within_what_is_given(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shown, other = rng.integers(0, 2, (2, 600))
    follows = np.where(rng.random(600) < 0.8, shown, 1 - shown)
    columns = np.stack([shown, other], axis=1) @ rng.normal(size=(2, 8)) * 3
    acts, labels, out = str(tmp_path / "acts.npz"), str(tmp_path / "labels.csv"), tmp_path / "found.csv"
    np.savez(acts, late=columns + rng.normal(size=(600, 8)))
    pd.DataFrame({"shown": shown, "follows": follows, "other": other}).to_csv(labels, index=False)
    page = printed(capsys, "locate", acts, labels, "--given", "shown", "--csv", str(out))
    verdicts = pd.read_csv(out).set_index("concept")["verdict"]
    assert verdicts["follows"] == "given shown" and verdicts["other"].startswith("present")
    assert verdicts["shown"] == "not measurable" and "given shown" in page
    assert "Did you mean 'shown'?" in refused(capsys, "locate", acts, labels, "--given", "show")


def test_what_is_shown_does_not_change_what_is_found(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tables, pages = [], []
    for number, options in enumerate(([], ["--concept", "score"], ["--site", "late"])):
        out = tmp_path / f"{number}.csv"
        pages.append(printed(capsys, "locate", *arrays(tmp_path), "--groups", "family", "--csv", str(out), *options))
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
    page = " ".join(printed(capsys, "locate", acts, labels, "--groups", "family", "--csv", str(out)).split())
    found = pd.read_csv(out)
    assert "not measurable: always at late, pixels: the label never varies" in page
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
    page = printed(capsys, "locate", str(tmp_path / "acts.npz"), str(tmp_path / "labels.csv"))
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
        page = printed(capsys, "latch", acts, labels, "--value", value, "--intended", "tall", "--proxies", "wide")
        assert f"verdict: {found.verdict}" in page
        assert found.why
        assert found.why in " ".join(page.split())
