"""The tree and its imports: no circle, no arrow back up, no crowded folder, no prefix that should be a folder."""

from __future__ import annotations

from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("models", "probes", "analyses", "reports", "imprint")
"""Lowest first: a room imports itself and the rooms before it."""
MOST_FILES, MOST_ALIKE = 20, 2


@cache
def imports() -> dict[str, set[str]]:
    """Module -> modules it imports; imports for type checkers alone do not count."""
    graph = grimp.build_graph("imprint", exclude_type_checking_imports=True)
    return {module: graph.find_modules_directly_imported_by(module) for module in sorted(graph.modules)}


def files() -> list[Path]:
    """Python files of the rooms, relative to the root; the links inside ``imprint/`` are not followed."""
    found = [path for room in ROOMS[:-1] for path in (ROOT / room).rglob("*.py")]
    found += [*(ROOT / "imprint").glob("*.py"), *(ROOT / "imprint" / "commands").glob("*.py")]
    return [path.relative_to(ROOT) for path in found]


def circles(arrows: dict[str, set[str]]) -> list[set[str]]:
    """Strongly connected components of more than one node (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    components: list[set[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for following in sorted(arrows.get(node, ())):
            if following not in number:
                visit(following)
                lowest[node] = min(lowest[node], lowest[following])
            elif following in stack:
                lowest[node] = min(lowest[node], number[following])
        if lowest[node] == number[node]:
            component = set(stack[stack.index(node) :])
            del stack[stack.index(node) :]
            if len(component) > 1:
                components.append(component)

    for node in sorted(arrows):
        if node not in number:
            visit(node)
    return components


def folder(module: str) -> str:
    """The package a module lies in."""
    return module.rpartition(".")[0]


def test_a_planted_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set()}) == [{"b", "c"}]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_modules_import_one_another_in_no_circle() -> None:
    assert len(imports()) > 250
    assert circles(imports()) == []


def test_folders_import_one_another_in_no_circle() -> None:
    """A package and the packages inside it count as one another's neighbours only where neither holds the other."""
    arrows: dict[str, set[str]] = defaultdict(set)
    for module, imported in imports().items():
        for other in imported:
            here, there = folder(module), folder(other)
            if here != there and not f"{here}.".startswith(f"{there}.") and not f"{there}.".startswith(f"{here}."):
                arrows[here].add(there)
    assert circles(arrows) == []


def test_no_arrow_goes_back_up() -> None:
    def rank(module: str) -> int:
        room = module.split(".")[1] if "." in module else "imprint"
        return ROOMS.index(room) if room in ROOMS else len(ROOMS) - 1

    assert [(a, b) for a, imported in imports().items() for b in imported if rank(b) > rank(a)] == []


def test_no_folder_is_crowded() -> None:
    sizes = Counter(path.parent for path in files())
    assert {str(place): size for place, size in sizes.items() if size > MOST_FILES} == {}


def test_no_prefix_is_shared_by_three_files_of_a_folder() -> None:
    prefixes = Counter((path.parent, path.stem.split("_")[0]) for path in files() if "_" in path.stem.lstrip("_"))
    assert {f"{place}/{word}_*": n for (place, word), n in prefixes.items() if n > MOST_ALIKE} == {}


def test_no_file_is_long() -> None:
    lengths = {str(path): len((ROOT / path).read_text(encoding="utf-8").splitlines()) for path in files()}
    assert {path: n for path, n in lengths.items() if n > 400} == {}


@pytest.mark.parametrize("room", [*ROOMS[:-1], "commands"])
def test_tests_mirror_the_tree(room: str) -> None:
    """``tests/<room>/<path>/test_<name>*.py`` is about a module or folder ``<name>`` at ``<room>/<path>``."""
    source = ROOT / "imprint" / "commands" if room == "commands" else ROOT / room
    strangers = []
    for test in sorted((ROOT / "tests" / room).rglob("test_*.py")):
        place = source / test.parent.relative_to(ROOT / "tests" / room)
        names = (
            {path.stem for path in place.glob("*") if path.suffix == ".py" or path.is_dir()}
            if place.is_dir()
            else set()
        )
        about = test.stem.removeprefix("test_")
        if not any(about == name or about.startswith(f"{name}_") for name in names - {"__init__", "__pycache__"}):
            strangers.append(str(test.relative_to(ROOT)))
    assert strangers == []
