from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from imprint import cli
from imprint.commands import doctor
from imprint.commands.doctor import NEEDED, ROOM, Check, Machine, diagnose

HEALTHY = {
    "captum": "0.9.0",
    "gymnasium": "1.4.0",
    "jaxtyping": "0.3.11",
    "jinja2": "3.1.6",
    "joblib": "1.6.0",
    "matplotlib": "3.10.0",
    "minigrid": "3.2.0",
    "numpy": "2.4.6",
    "packaging": "26.3",
    "pandas": "3.1.1",
    "plotly": "7.1.0",
    "pyarrow": "26.0.1",
    "pydantic": "2.14.3",
    "pyyaml": "6.0.3",
    "rich": "15.0.0",
    "safetensors": "0.8.0",
    "scikit-learn": "1.9.1",
    "scipy": "1.17.1",
    "threadpoolctl": "3.8.0",
    "torch": "2.13.0+cpu",
    "torchvision": None,
    "transformer-lens": "4.3.0",
    "typer": "0.29.2",
}
MACHINE = Machine(cores=2, threads=1, free=10 * ROOM)


def checks(
    versions: Mapping[str, str | None] | None = None,
    *,
    python: str = "3.11.7",
    machine: Machine = MACHINE,
    failures: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Check]:
    found = diagnose(
        {**HEALTHY, **(versions or {})},
        python=python,
        machine=machine,
        failures=failures or {},
        environment={"WANDB_MODE": "disabled"} if environment is None else environment,
    )
    return {check.name: check for check in found}


def test_a_healthy_environment_is_called_healthy() -> None:
    assert {check.status for check in checks().values()} == {"ok"}
    assert NEEDED.keys() <= HEALTHY.keys()


@pytest.mark.parametrize(
    ("versions", "name", "advice"),
    [
        ({"torchvision": "0.28.0"}, "torchvision", "uninstall torchvision"),
        ({"torchvision": "0.28.0+cu128"}, "torchvision", "uninstall torchvision"),
        ({"transformer-lens": "3.9.1"}, "transformer-lens", "before 4"),
        ({"transformer-lens": "5.0.0"}, "transformer-lens", "<5"),
        ({"transformer-lens": None}, "transformer-lens", "pip install"),
        ({"numpy": "1.26.4"}, "numpy", ">=2"),
        ({"torch": None}, "torch", "pip install"),
    ],
)
def test_a_broken_environment_is_called_broken(versions: dict[str, str | None], name: str, advice: str) -> None:
    check = checks(versions)[name]
    assert check.status == "broken"
    assert advice in check.advice


@pytest.mark.parametrize(
    "versions",
    [
        {"torchvision": "0.28.0+cpu"},
        {"torchvision": "0.28.0", "torch": "2.13.0"},
        {"torchvision": "0.28.0+cu128", "torch": "2.13.0+cu128"},
    ],
)
def test_a_torchvision_built_for_this_torch_is_only_noted(versions: dict[str, str | None]) -> None:
    assert checks(versions)["torchvision"].status == "note"


def test_an_old_python_and_a_failed_import_are_broken() -> None:
    assert checks(python="3.10.2")["python"].status == "broken"
    failed = checks(failures={"transformer_lens.HookedRootModule": "ImportError: no"})
    assert failed["import transformer_lens.HookedRootModule"].status == "broken"


def test_space_threads_and_wandb_are_noted() -> None:
    assert checks(machine=replace(MACHINE, free=ROOM - 1))["free disk"].status == "note"
    assert checks(machine=replace(MACHINE, threads=8))["torch threads"].status == "note"
    assert checks(environment={})["wandb"].status == "note"
    assert checks(environment={"WANDB_MODE": "online"})["wandb"].status == "note"


def test_a_version_that_is_no_version_is_noted_not_crashed_on() -> None:
    assert checks({"scipy": "from-source"})["scipy"].status == "note"


def test_this_environment_is_not_broken_and_the_exit_code_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    assert end.value.code == 0
    assert "transformer-lens" in capsys.readouterr().out


def test_a_broken_environment_ends_with_exit_code_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        doctor, "examine", lambda: [Check("torchvision", "0.28.0", "broken", "pip uninstall torchvision")]
    )
    with pytest.raises(SystemExit) as end:
        cli.main(["doctor"])
    caught = capsys.readouterr()
    assert end.value.code == 1
    assert "pip uninstall torchvision" in caught.out
    assert "1 broken: torchvision" in caught.err
