"""Imports point one way: never in a circle, and never from what computes to what shows."""

import ast
import functools
import graphlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
Graph = Mapping[str, set[str]]  # dotted name of a file -> those of the files it imports


def read(folder: Path, package: str) -> dict[str, str]:
    """Dotted name -> source of every file of a package."""
    found = {}
    for path in sorted(folder.rglob("*.py")):
        name = ".".join([package, *path.relative_to(folder).with_suffix("").parts])
        found[name.removesuffix(".__init__")] = path.read_text(encoding="utf-8")
    return found


LIBRARY = read(ROOT / "rcsr_jax", "rcsr_jax")
PROGRAMS = read(ROOT / "experiments", "rcsr_jax.experiments")
PAPER = "rcsr_jax.experiments.paper"
USE = "inference looks stream bulk tracking"
PICTURES = "report plots curves"
FACES = "data -data.names"  # the names are shown in messages
# Why, files and folders, and what these do not use, however many files lie between.
RULES = [
    (
        "a model is computed without files, photos and pictures",
        "answers losses optimiser descent costs",
        f"{FACES} checkpoint weights {USE} {PICTURES}",
    ),
    (
        "settings know neither network nor faces",
        "config",
        f"network model features {FACES}",
    ),
    (
        "errors are measured without a model",
        "metrics summaries comparison trust symmetry ellipses published",
        f"config network model features {FACES}",
    ),
    (
        "faces are read without a model",
        "data",
        f"network model features losses training evaluation {USE}",
    ),
    ("who finds faces does not train", USE, "losses optimiser training evaluation"),
    ("who trains finds no faces", "training", f"evaluation teaching {USE}"),
    (
        "only programs show what comes out",
        f"training evaluation robustness flicker teaching data {USE}",
        PICTURES,
    ),
]
FORBIDDEN = ("absl.flags", "pickle", "socket", "urllib", "http", "requests")


@functools.cache
def nodes_of(source: str) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(ast.parse(source)))


def imported_names(source: str, package: str = "") -> Iterator[str]:
    """The dotted names that a file imports, anywhere in it.

    Args:
        source: of the file.
        package: where it lies; without it relative imports are passed over.
    """
    above = package.split(".")
    for node in nodes_of(source):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (package or not node.level):
            base = above[: len(above) - node.level + 1] if node.level else []
            base = [*base, node.module] if node.module else base
            yield from (".".join([*base, alias.name]) for alias in node.names)


def files_used(name: str, sources: Mapping[str, str]) -> set[str]:
    """The files that one imports, and the packages around them, which run before them."""
    is_package = any(other.startswith(f"{name}.") for other in sources)
    package = name if is_package else name.rpartition(".")[0]
    used = set()
    for dotted in imported_names(sources[name], package):
        # `from rcsr_jax.data.crops import CropCache` names a file and a thing in it
        while dotted and dotted not in sources:
            dotted = dotted.rpartition(".")[0]
        used.add(dotted)
        while dotted := dotted.rpartition(".")[0]:
            if sources.get(dotted) and not f"{name}.".startswith(f"{dotted}."):
                used.add(dotted)
    return used - {""}


def graph_of(sources: Mapping[str, str]) -> Graph:
    return {name: files_used(name, sources) for name in sources}


SOURCES = LIBRARY | PROGRAMS
GRAPH = graph_of(SOURCES)


def circle_in(graph: Graph) -> list[str]:
    """Files that import each other in turn; empty: there are none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return error.args[1]
    return []


def files_of(words: str, graph: Graph) -> set[str]:
    """The files that words name, by themselves or by their folder, less those of -words."""
    named: set[str] = set()
    for word in words.split():
        below = f"rcsr_jax.{word.removeprefix('-')}."
        found = {name for name in graph if f"{name}.".startswith(below)}
        assert found, f"a rule names {word}, which is not there"
        named = named - found if word.startswith("-") else named | found
    return named


def ways(users: str, unused: str, graph: Graph) -> list[str]:
    """How users come to what they should not use: each time the files on the way."""
    way = {name: name for name in sorted(files_of(users, graph))}
    waiting = list(way)
    for name in waiting:  # grows
        for used in sorted(graph[name] - set(way)):
            way[used] = f"{way[name]} > {used}"
            waiting.append(used)
    return [way[name] for name in sorted(files_of(unused, graph) & set(way))]


def misdeeds(source: str) -> list[str]:
    """What no file of the library does: flags, connections, pickles, printing."""
    outside = (*FORBIDDEN, "experiments", "rcsr_jax.experiments")
    found = [
        name
        for name in imported_names(source)
        if any(f"{name}.".startswith(f"{other}.") for other in outside)
    ]
    for node in nodes_of(source):
        near = isinstance(node, ast.ImportFrom) and node.level > 0
        printing = isinstance(node, ast.Name) and node.id == "print"
        pickled = isinstance(node, ast.keyword) and node.arg == "allow_pickle"
        if near or printing or (pickled and ast.unparse(node.value) != "False"):
            found.append(ast.unparse(node))
    return found


def is_program(source: str) -> bool:
    return any(
        isinstance(node, ast.If) and ast.unparse(node.test) == "__name__ == '__main__'"
        for node in nodes_of(source)
    )


def strayed(name: str, sources: Mapping[str, str]) -> list[str]:
    """What a program imports beside files of the library and what programs share."""
    found = [
        dotted
        for dotted in imported_names(sources[name])
        # before they are installed, programs lie in no package
        if f"{dotted}.".startswith(("experiments.", "tests.", "rcsr_jax.experiments."))
    ]
    for used in files_used(name, sources):
        of_paper = used.startswith(PAPER) and not name.startswith(PAPER)
        if used == "rcsr_jax" or of_paper or is_program(sources[used]):
            found.append(used)
    return found


def test_no_imports_lead_round_in_a_circle():
    assert circle_in(GRAPH) == []


@pytest.mark.parametrize(("why", "users", "unused"), RULES)
def test_what_stands_low_uses_nothing_that_stands_high(why, users, unused):
    assert ways(users, unused, GRAPH) == [], why


def test_the_library_reads_no_flags_opens_no_socket_and_never_prints():
    assert {name: bad for name in LIBRARY if (bad := misdeeds(LIBRARY[name]))} == {}
    assert [name for name in LIBRARY if "rcsr_jax" in GRAPH[name]] == []
    assert LIBRARY["rcsr_jax.data"] == LIBRARY["rcsr_jax.features"] == ""


def test_programs_import_the_library_and_what_they_share_alone():
    assert {name: bad for name in PROGRAMS if (bad := strayed(name, SOURCES))} == {}
    assert is_program(PROGRAMS["rcsr_jax.experiments.train"])


def test_the_page_on_the_code_names_every_file():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:[\w.]+\.)?(\w+)`", page))
    formats = "rcsr_jax.data.annotations."  # "a file for each format"
    files = {name for name in LIBRARY if not name.startswith(formats)} - {"rcsr_jax"}
    assert {name.rpartition(".")[2] for name in files} <= named


MADE_UP = {
    "rcsr_jax": "from rcsr_jax.low import f",
    "rcsr_jax.low": "def late():\n    from rcsr_jax.kit.inner import f",
    "rcsr_jax.kit": "from rcsr_jax.kit.inner import f\nimport rcsr_jax.high",
    "rcsr_jax.kit.inner": "import numpy",
    "rcsr_jax.high": "from rcsr_jax import kit",
    "rcsr_jax.experiments.one": "from . import two\nimport tests.tiny",
    "rcsr_jax.experiments.two": "from ..high import f\nif __name__ == '__main__':\n    f()",
}


def test_the_checks_see_every_kind_of_import():
    graph = graph_of(MADE_UP)
    assert graph["rcsr_jax.low"] == {"rcsr_jax.kit.inner", "rcsr_jax.kit"}
    assert graph["rcsr_jax.experiments.two"] == {"rcsr_jax.high"}
    assert set(circle_in(graph)) == {"rcsr_jax.kit", "rcsr_jax.high"}
    way = "rcsr_jax.low > rcsr_jax.kit > rcsr_jax.high"
    assert ways("low", "high experiments -experiments.one", graph) == [way]
    wrong = ["tests.tiny", "rcsr_jax.experiments.two"]
    assert strayed("rcsr_jax.experiments.one", MADE_UP) == wrong
    for line in (
        "import pickle",
        "from http.client import HTTPConnection",
        "from .low import f",
        "print(1)",
        "f(allow_pickle=True)",
        "from rcsr_jax.experiments import train",
    ):
        assert len(misdeeds(line)) == 1, line
    assert misdeeds("f(allow_pickle=False)\nimport httpx, rcsr_jax.low") == []
