"""Models that were trained elsewhere get the verdict, the ages, the checks and the page that ours get."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import imprint
from imprint.analyses.evaluate.studies.arguments import ground_given, key_of
from imprint.models.errors import ImprintError
from tests.analyses.evaluate.studies.planted import LIFE, SMALL, Kennel, fill, network, study


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("study") / "kept"
    begun = study(folder=place)
    assert all(fill(begun))
    begun.finish()
    return place


@pytest.fixture(scope="module")
def run(folder: Path) -> imprint.Run:
    return imprint.Run(folder)


def share_controls(source: Path, target: Path) -> None:
    """Controls and power are the same for every study of this size; they take seconds."""
    for name in ("planted.parquet", "power-3.parquet"):
        (target / "cells" / name).write_bytes((source / "cells" / name).read_bytes())


def test_the_proxy_comes_early_and_what_was_meant_late(run: imprint.Run) -> None:
    assert run.verdict == "intended"
    words = run.findings.query("metric == 'probability' and seed.isna()").set_index(["age", "control"])["estimate"]
    assert words[10, "proxy:bell"] >= 0.95 and words[300, "intended"] >= 0.95
    each = run.findings.query("metric == 'latch' and seed.notna()")
    assert dict(each.groupby("age")["verdict"].unique().map(list)) == {10: ["proxy:bell"], 300: ["intended"]}
    grid = run.findings.query("metric == 'selectivity' and concept == 'food' and seed.isna()").set_index(
        ["site", "age"]
    )
    assert grid.loc[("1", 300), "verdict"] == "present"
    assert run.findings.query("metric == 'self_check'")["estimate"].eq(1.0).all()
    floors = run.findings.query("metric == 'floor' and control == 'untrained twins' and age == 300")["estimate"]
    assert floors.notna().all()


def test_it_is_verified_and_reported_as_a_run_of_ours(run: imprint.Run) -> None:
    verified = imprint.verify(run)
    assert verified.right and {c.name for c in verified.checks if c.state == "open"} <= {"commit"}
    assert verified.level == "registered"
    page = imprint.report(run).read_text(encoding="utf-8")
    assert "Food, or the bell?" in page and "Parts of this page could not be made" not in page
    assert "Over training: “proxy:bell” from 10 batches, then “intended” from 300 batches on." in page
    assert "batches of training" in page and "experiences of training" not in page
    assert "One world (Kennel) and one kind of models (Sequential)" in page


def test_a_killed_study_goes_on_and_ends_with_the_same_bytes(run: imprint.Run, folder: Path, tmp_path: Path) -> None:
    again = study(folder=tmp_path / "kept")
    fill(again, seeds=2)
    (tmp_path / "kept" / "cells" / "seed-1-age-300.safetensors").unlink()  # killed between its two files
    resumed = study(folder=tmp_path / "kept")
    assert (0, 10) in resumed and (1, 300) not in resumed
    assert fill(resumed) == [False] * 5 + [False, False, False, True, True, True]
    share_controls(folder, tmp_path / "kept")
    written = resumed.finish(tmp_path / "elsewhere")
    pd.testing.assert_frame_equal(written.findings, run.findings)
    assert (tmp_path / "elsewhere" / "findings.parquet").read_bytes() == (folder / "findings.parquet").read_bytes()
    assert imprint.verify(written).right
    table = imprint.compare([run, written])
    assert table.loc[table["versus"].notna(), "difference"].abs().max() == 0.0


def test_what_was_added_cannot_be_altered_afterwards(folder: Path, tmp_path: Path) -> None:
    changed = study(folder=folder).finish(tmp_path / "changed")
    file = changed.path / "cells" / "seed-0-age-300.safetensors"
    file.write_bytes((changed.path / "cells" / "seed-1-age-300.safetensors").read_bytes())
    verified = imprint.verify(changed)
    assert {check.name for check in verified.wrong} >= {"files", "verdict"} and verified.level == "exploratory"


def test_a_value_of_noise_is_called_neither_intended_nor_a_proxy(folder: Path, tmp_path: Path) -> None:
    empty = study(folder=tmp_path / "noise")
    for seed in range(3):
        empty.add(network(seed, 0.0, 0.0, around=1.0), age=50, seed=seed)
    share_controls(folder, tmp_path / "noise")
    run = empty.finish()
    assert run.verdict in ("none", "undetermined")
    assert set(run.findings.query("metric == 'latch'")["verdict"]) <= {"none", "undetermined"}
    assert "Not compared with untrained twins" in str(run.latch_row()["why"])


def test_nothing_of_the_model_or_of_chance_is_changed() -> None:
    begun, state = study(evaluation={**SMALL, "episodes": 100}), torch.get_rng_state()
    model = nn.Sequential(network(3), nn.Dropout(0.5))
    model[0].eval()
    modes = [module.training for module in model.modules()]
    assert begun.add(model, age=0, seed=0, untrained=True)
    assert [module.training for module in model.modules()] == modes and any(modes)
    assert torch.equal(torch.get_rng_state(), state)


def test_what_does_not_fit_is_refused(folder: Path, tmp_path: Path) -> None:
    begun = study(folder=folder)
    age, food, bell = LIFE[1]
    with pytest.raises(ImprintError, match="another model was added as seed 0 at age 300"):
        begun.add(network(8, food, bell), age=age, seed=0)
    with pytest.raises(ImprintError, match="the same model as seed 0 at age 300"):
        begun.add(network(0, food, bell), age=age, seed=9)
    with pytest.raises(ImprintError, match=r"unknown site '0'.*All models of a study are read at the same sites"):
        begun.add(nn.Linear(12, 1), age=5, seed=0)
    declared = imprint.Subject(network(9, food, bell), sites=["0"])
    with pytest.raises(ImprintError, match=r"sites are 0; expected those of this study: "):
        begun.add(declared, age=5, seed=0)
    with pytest.raises(ImprintError, match=r"sites are 0; expected those of this study: "):
        study(folder=folder, sites=["0"]).add(network(9, food, bell), age=5, seed=0)
    for bad in ((1.5, 0, False), (0, -1, False), (True, 0, False), (0, 0, 1)):
        with pytest.raises(ImprintError, match="expected"):
            key_of(*bad)
    with pytest.raises(ImprintError, match=r"holds another study.*differs in intended, proxies"):
        study(folder=folder, intended="bell", proxies=["food"])
    with pytest.raises(ImprintError, match="differs in decision"):
        study(folder=folder, decision={"dominates": 0.8})
    with pytest.raises(ImprintError, match="nothing was added"):
        study().finish(tmp_path / "none")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").write_text("mine")
    with pytest.raises(ImprintError, match="holds other files"):
        begun.finish(tmp_path / "other")
    with pytest.raises(ImprintError, match="Did you mean 'bell'"):
        study(proxies=["bel"])
    with pytest.raises(ImprintError, match="proxies is the text"):
        study(proxies="bell")
    with pytest.raises(ImprintError, match="the class Kennel"):
        ground_given(Kennel, None, None)
    with pytest.raises(ImprintError, match="rewarded is 'perhaps'"):
        study(rewarded="perhaps")


def test_a_world_that_changes_is_noticed() -> None:
    world = Kennel()
    begun = imprint.Study(world, intended="food", proxies=["bell"], evaluation={**SMALL, "episodes": 100})
    world.loudness = 0.5
    with pytest.raises(ImprintError, match="other rows than when the study began"):
        begun.add(network(0), age=0, seed=0)

    class Moody(Kennel):
        def draw_noise(self, n: int, rng: torch.Generator) -> dict[str, torch.Tensor]:
            return {
                **super().draw_noise(n, rng),
                "around": torch.from_numpy(np.random.default_rng().normal(size=(n, 9))),
            }

    with pytest.raises(ImprintError, match="other rows when it is asked again"):
        imprint.Study(Moody(), intended="food", proxies=["bell"])
