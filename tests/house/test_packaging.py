from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import imprint
from imprint.commands.doctor import NEEDED, PYTHON

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
ROOMS = ("analyses", "models", "probes", "reports", "setups")


def packages_on_disk() -> set[str]:
    own = {marker.parent.relative_to(ROOT) for marker in (ROOT / "imprint").glob("[cs]*/**/__init__.py")}
    found = {"imprint", *(".".join(path.parts) for path in own if path.parts[1] not in ROOMS)}
    for room in ROOMS:
        for marker in (ROOT / room).rglob("__init__.py"):
            found.add(".".join(("imprint", *marker.parent.relative_to(ROOT).parts)))
    return found


def test_the_packages_listed_are_the_packages_there() -> None:
    assert set(SETUPTOOLS["packages"]) == packages_on_disk()
    assert len(SETUPTOOLS["packages"]) == len(set(SETUPTOOLS["packages"]))


def test_the_citation_names_this_version() -> None:
    assert f"\nversion: {imprint.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_every_room_is_mapped_to_its_folder() -> None:
    expected = {"imprint": "imprint"} | {f"imprint.{room}": room for room in ROOMS}
    assert SETUPTOOLS["package-dir"] == expected


def test_every_python_folder_of_a_room_is_a_package() -> None:
    for room in ROOMS:
        for file in (ROOT / room).rglob("*.py"):
            assert (file.parent / "__init__.py").is_file(), file.relative_to(ROOT)


@pytest.mark.parametrize("room", ROOMS)
def test_the_link_to_a_room_is_a_relative_link_or_its_text(room: str) -> None:
    link = ROOT / "imprint" / room
    target = str(link.readlink()) if link.is_symlink() else link.read_text(encoding="utf-8").strip()
    assert target == f"../{room}"


def test_the_doctor_checks_what_the_project_requires() -> None:
    required = {}
    for line in PROJECT["project"]["dependencies"]:
        match = re.fullmatch(r"([a-z0-9-]+)(.+)", line)
        assert match is not None, line
        required[match[1]] = match[2]
    assert required == NEEDED
    assert PROJECT["project"]["requires-python"] == PYTHON


def test_torchvision_is_never_asked_for() -> None:
    asked = [PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"].values()]
    assert not [line for lines in asked for line in lines if "torchvision" in line]
    assert "torchvision" not in (ROOT / "constraints.txt").read_text(encoding="utf-8")


def test_every_direct_dependency_is_pinned() -> None:
    pinned = {
        line.partition("==")[0].lower().replace("_", "-")
        for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    }
    asked = [*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]]
    assert {re.split(r"[<>=]", line)[0].lower() for line in asked} <= pinned


OTHERWISE = {"importlib-metadata"}
"""What is locked in another version than that under which everything is tested: MLflow, an extra, asks for an older."""


def test_the_lock_file_holds_the_versions_that_are_tested_and_every_extra() -> None:
    locked = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))["package"]
    versions: dict[str, set[str]] = {}
    for package in locked:
        versions.setdefault(package["name"], set()).add(str(package.get("version")))
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, given, version = line.partition("==")
        name = name.lower().replace("_", "-")
        if given and name in versions and name not in OTHERWISE:
            assert version in versions[name], f"run `uv lock -P {name}=={version}`"
    (own,) = (package for package in locked if package["name"] == "imprint")
    assert set(own["optional-dependencies"]) == set(PROJECT["project"]["optional-dependencies"])
    asked = {re.split(r"[<>=]", line)[0].lower() for line in PROJECT["project"]["dependencies"]}
    assert asked == {each["name"] for each in own["dependencies"]}


def built_files(tmp_path: Path, *, links_as_text: bool) -> set[str]:
    """File names in a wheel built from a copy of the tree."""
    copy = tmp_path / "tree"
    ignored = shutil.ignore_patterns(".*", "build", "dist", "runs", "tests", "docs", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    if links_as_text:
        for room in ROOMS:
            (copy / "imprint" / room).unlink()
            (copy / "imprint" / room).write_text(f"../{room}", encoding="utf-8")
    build = "from setuptools.build_meta import build_wheel; build_wheel('out')"
    (copy / "out").mkdir()
    subprocess.run([sys.executable, "-W", "ignore", "-c", build], cwd=copy, check=True, capture_output=True)
    (wheel,) = (copy / "out").glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert len(names) == len(set(names))
    return {name for name in names if ".dist-info/" not in name}


@pytest.mark.parametrize("links_as_text", [False, True])
def test_the_wheel_holds_every_room_once_and_nothing_else(tmp_path: Path, links_as_text: bool) -> None:
    names = built_files(tmp_path, links_as_text=links_as_text)
    face = [file for place in ("*.py", "commands/**/*.py", "schemas/*.*") for file in (ROOT / "imprint").glob(place)]
    expected = {file.relative_to(ROOT).as_posix() for file in face} | {"imprint/py.typed"}
    for room in ROOMS:
        files = [file for file in (ROOT / room).rglob("*") if file.is_file() and "__pycache__" not in file.parts]
        expected |= {f"imprint/{file.relative_to(ROOT).as_posix()}" for file in files}
    assert names == expected


def test_the_version_is_said_once() -> None:
    assert PROJECT["project"]["dynamic"] == ["version"]
    assert imprint.__version__ in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
