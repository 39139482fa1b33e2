"""Runs that are raised together and take over each other's readings have the bytes of runs made alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from imprint.analyses.evaluate.evaluate import evaluate
from imprint.analyses.evaluate.run import Run
from imprint.analyses.evaluate.setups_compared.numbers import TOGETHER
from imprint.analyses.evaluate.setups_compared.shipped import shipped
from imprint.analyses.evaluate.setups_compared.together import living_alike, raise_together, take_over
from imprint.analyses.evaluate.sweeps.lives import cost_file
from imprint.models.files import read_record, read_table, write_table
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from tests.known.tiny import TINY


def test_setups_that_differ_in_steering_and_assessor_alone_live_alike() -> None:
    (group,) = living_alike(shipped())
    names = {setup.name for setup in group}
    assert names >= {"nursery", "nursery-crude", "nursery-lagless", "nursery-late", "nursery-imprinting"}
    assert not names & {"nursery-lamp", "nursery-decorrelated", "nest", "coin"}
    shut = load_setup("nursery", changes={"assessor.closes_at": 640}, expect=Setup)
    assert living_alike([shut, shut]) == []


@pytest.mark.long
def test_a_run_that_was_raised_with_others_is_the_run_alone(run: Run, tmp_path: Path) -> None:
    late = load_setup("nursery", changes={**TINY, "assessor.opens_at": 320}, expect=Setup)
    alone = load_setup("nursery", changes=TINY, expect=Setup)
    assert alone.run_name == run.path.name
    raise_together([late, alone], tmp_path)
    assert take_over(alone, [late, alone], tmp_path) == 0  # the other is not finished
    for file in ("latch-twins.safetensors", "floors.safetensors", "locate-seed-0.safetensors"):
        target = tmp_path / late.run_name / "cells" / file
        target.parent.mkdir(exist_ok=True)
        target.write_bytes((run.path / "cells" / file).read_bytes())
    write_table(tmp_path / late.run_name / "findings.parquet", read_table(run.path / "findings.parquet"))
    assert take_over(alone, [late, alone], tmp_path) == 3
    assert take_over(alone, [late, alone], tmp_path) == 0
    made = evaluate(alone, out=tmp_path)
    files = [p for p in run.path.rglob("*") if p.suffix in (".safetensors", ".parquet")]
    assert len(files) > 10
    assert all((made.path / p.relative_to(run.path)).read_bytes() == p.read_bytes() for p in files)
    assert read_record(cost_file(made.path, TOGETHER))["seconds"] > 0
    assert "seeds 0-1" not in made.record["cell_cpu"] and made.record["cell_cpu"]["locate-seed-1"] > 0
