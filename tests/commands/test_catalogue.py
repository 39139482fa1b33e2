"""``imprint list`` and ``imprint show`` name what ships, with its settings."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from imprint.commands.settings.described import families_of, meanings_of
from imprint.commands.settings.slips import SCHEMA
from imprint.models import registry
from imprint.models.errors import ImprintError
from imprint.models.setup.agent import AgentSetup
from imprint.models.setup.learner import Setup
from imprint.models.setup.load import load_setup
from tests.commands.commands import answered, printed


def test_list_names_what_ships(capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, "list", "--all")
    for name in ("setups", "worlds", "learners", "steering", "assessors", "nursery", "conv", "detector", "valence"):
        assert name in page
    assert "conv" not in printed(capsys, "list", "worlds")


def test_the_first_look_is_short_and_says_how_many_members_each_family_has(capsys: pytest.CaptureFixture[str]) -> None:
    page, listed = printed(capsys, "list"), answered(capsys, "list")["families"]
    assert len(page.splitlines()) < 30 and "imprint list --all" in page and "imprint list setups" in page
    for name, members in listed.items():
        row = next(line for line in page.splitlines() if line.startswith(name))
        assert f" {len(members)} " in row and len(row.split("│")[-1].strip()) > 20
    assert len(listed) > 12 and "detector" not in page


def test_show_fills_in_every_default_of_a_setup(capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, "show", "nursery")
    for words in ("intended: caregiver", "alpha: 0.05", "learning_rate:", "imprint show worlds/nursery"):
        assert words in page


def test_show_gives_a_member_with_types_defaults_and_words(capsys: pytest.CaptureFixture[str]) -> None:
    page = printed(capsys, "show", "detector")
    for words in ("P(miss)", "false_alarm", ">= 0.0", "(required)", "Probability that a signal is lost"):
        assert words in page
    assert "caregiver_hidden" in printed(capsys, "show", "worlds/nursery")


@pytest.mark.parametrize("name", ["nursery", "coin"])
def test_a_setup_is_shown_as_a_setup_with_a_meaning_before_every_field(
    capsys: pytest.CaptureFixture[str], name: str
) -> None:
    page = printed(capsys, "show", name)
    assert yaml.safe_load(page) == load_setup(name).resolved()
    *_, meaning, limits = page[: page.index("  nulls: ")].splitlines()
    assert meaning.startswith("  # Label shuffles per concept")
    assert limits == "  # int, >= 5, <= 10,000; default 20"


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *getattr(field.annotation, "__args__", ())):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _models(kind)


def test_every_setting_of_a_setup_has_a_meaning() -> None:
    members = [
        f.load(n).Settings for kind in (Setup, AgentSetup) for f in families_of(kind).values() for n in f.names()
    ]
    models = {model for start in (Setup, AgentSetup, *members) for model in _models(start)}
    assert len(models) > 30
    assert [(m, name) for m in models for name in m.model_fields if not meanings_of(m).get(name)] == []


def test_the_schema_that_ships_is_the_programs_own_fits_every_setup_and_marks_slips(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = list(registry.setups().values())
    text = printed(capsys, "show", "--schema", "nursery")
    assert (files[0].parent / SCHEMA).read_text(encoding="utf-8") == text, f"write it again: setups/{SCHEMA}"
    check = jsonschema.Draft7Validator(json.loads(text))
    for file in files:
        written = file.read_text(encoding="utf-8")
        assert written.startswith(f"# yaml-language-server: $schema={SCHEMA}\n")
        assert [fault.message for fault in check.iter_errors(yaml.safe_load(written))] == [], file
    nursery = yaml.safe_load(files[[file.stem for file in files].index("nursery")].read_text(encoding="utf-8"))
    slips = [{"learner": {"kind": "conv", "widht": 3}}, {"schedule": {"seeds": 0}}, {"steering": [{"kind": "detectr"}]}]
    assert all(list(check.iter_errors(nursery | slip)) for slip in slips)


def test_a_mistake_in_a_file_is_answered_with_file_line_and_field(tmp_path: Path) -> None:
    base, file = tmp_path / "base.yaml", tmp_path / "mine.yaml"
    base.write_text("extends: nursery\nname: base\nschedule:\n  seeds: 0\n", encoding="utf-8")
    file.write_text(f"extends: {base}\nname: mine\n", encoding="utf-8")
    with pytest.raises(ImprintError) as refusal:
        load_setup(file)
    assert str(refusal.value).startswith(f"{base}, line 4: schedule.seeds: "), "also where another file wrote it"
    file.write_text("extends: nursery\nname: mine\nsteering:\n- kind: reward\n  nme: comfort\n", encoding="utf-8")
    with pytest.raises(ImprintError, match=r"line 5: steering\.0\.nme: unknown key"):
        load_setup(file)
    with pytest.raises(ImprintError, match=r"^schedule\.seeds: "):
        load_setup("nursery", changes={"schedule.seeds": 0})
