from __future__ import annotations

from pathlib import Path

from imprint.analyses.expose.candidates import Candidate, Example
from imprint.analyses.statistics import Estimate
from imprint.reports.pages.run import render
from imprint.reports.reading.run import load_run
from imprint.reports.sections.unasked.section import Unasked
from tests.reports import example_run as example


def test_the_section_says_what_was_found_and_what_could_not_be_seen(tmp_path: Path) -> None:
    run = example.write(tmp_path)
    assert Unasked().collect(load_run(run)) is None
    pair = Example("minimal pair", (3, 5), (0.1, 0.9), {"lamp": "True / False"})
    share = Estimate(0.34, 0.3, 0.38, 1)
    example.searched(run, Candidate("<lamp>", "world", share, "is lit", {"lamp": 1.0}, (pair,), 0.001, 0.002))
    page = render(load_run(run))
    assert "the value depends on &lt;lamp&gt; (34% of the variance)" in page
    assert "Three at once." in page
    assert "True / False" in page
    assert "<lamp>" not in page


def test_nothing_found_is_said_with_what_would_have_been(tmp_path: Path) -> None:
    run = example.write(tmp_path)
    example.searched(run, Candidate("lamp", "world", Estimate(0.01, 0.0, 0.02, 1), "", {"lamp": 1.0}, (), 0.9, 0.9))
    content = Unasked().collect(load_run(run))
    assert content is not None
    assert "a share of 8% would have been found" in content["sentences"][0]
    assert content["figures"][0].heading == "The largest of what was tested"


def test_facts_are_explained_and_what_most_seeds_share_comes_first(tmp_path: Path) -> None:
    run = example.write(tmp_path)
    share = {name: Estimate(value, 0.0, 0.4, 6) for name, value in (("who", 0.3), ("block", 0.2))}
    found = {"p_value": 0.001, "q_value": 0.002}
    block = {"meaning": "who wrote it", "untrained": 0.013}
    example.searched(
        run,
        Candidate("who", "world", share["who"], "changed", {"who": 1.0}, stable=(2, 6), **found),
        Candidate("block", "world", share["block"], "", {"block": 1.0}, stable=(6, 6), **found | block),
    )
    content = Unasked().collect(load_run(run))
    assert content is not None
    assert (
        "depends on block (20% of the variance, 6 of 6 seeds); who (30% of the variance, 2 of 6 seeds)"
        in (content["sentences"][0])
    )
    assert content["sentences"][1] == "“block” is who wrote it."
    told = content["tables"][0].frame.set_index("what")["in untrained networks"]
    assert list(told[["who", "block"]]) == ["not measured", "1.3\u00a0%"]
