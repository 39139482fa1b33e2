"""The page of a latch: verdict first, every line of evidence, names as text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

import imprint
from imprint.analyses.latch.latch import latch_from_arrays
from tests.reports.example_question import SCRIPT
from tests.reports.pages.test_run import Tags, embedded


def test_verdict_and_evidence_stand_on_one_page(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"coin": rng.integers(0, 2, 400), SCRIPT: rng.integers(0, 2, 400)})
    value = frame["coin"] + 0.3 * rng.normal(size=400)
    latch = latch_from_arrays(value.to_numpy(), frame, intended="coin", proxies=[SCRIPT])
    text = imprint.report(latch, tmp_path).read_text(encoding="utf-8")
    words = " ".join(" ".join(Tags(text).text).split())
    assert (tmp_path / "latched.html").is_file() and SCRIPT not in text and latch.verdict == "intended"
    assert words.index("What does the value depend on?") < words.index(latch.why) < words.index("All findings")
    drawn = embedded(text, "figure-data")["figure-shares-0"]["data"]
    shares = [float(share) for share in latch.shares["share"]]
    assert any(shares in (trace.get("x"), trace.get("y")) for trace in drawn)
    assert "No untrained twins were given" in words
