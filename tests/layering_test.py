"""Imports point one way: every file of the library uses only those above it."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARY = ROOT / "rcsr_jax"

# From the bottom up. A file may import those before it in this list and no others.
ROOMS = [
    "version",
    "markup",
    "plain_values",
    "array_kinds",
    "geometry",
    "data.names",
    "box_checks",
    "boxes",
    "planes",
    "patch_nets",
    "config.fields",
    "config.model",
    "config.run",
    "config.kinds",
    "config.conversion",
    "config.presets",
    "config",  # its names
    "directions",
    "ellipses",
    "metrics",
    "annotation",
    "symmetry",
    "summaries",
    "portable",
    "trust",
    "comparison",
    "published",
    "patches",
    "marks",
    "convolutions",
    "pooling",
    *sorted(
        f"features.{path.stem}" for path in (LIBRARY / "features").glob("[!_]*.py")
    ),
    "recurrent",
    "refine",
    "network",
    "confidence",
    "prediction",
    "model",
    "answers",
    "pieces",
    "descent",
    "costs",
    "losses",
    "data.folders",
    "data.whole_files",
    "data.images",
    "data.annotations.records",
    "data.annotations.holding",
    "data.annotations.pts",
    "data.annotations.tables",
    "data.annotations.json_files",
    "data.annotations.coco",
    "data.annotations.dlib_xml",
    "data.annotations.formats",
    "data.annotations",  # its names
    "data.refusals",
    "data.locks",
    "data.entries",
    "data.held_out",
    "data.face_boxes",
    "data.faces",
    "data.face_shapes",
    "data.canvas",
    "data.palettes",
    "data.portraits",
    "data.coverings",
    "data.drawn",
    "data.clips",
    "data.cutting",
    "detection",
    "resampling",
    "data.rows",
    "data.parts",
    "data.crops",
    "data.crop_builds",
    "data.sources",
    "data.training_faces",
    "data.shards",
    "data.splits",
    "data.augment",
    "data.permutation",
    "data.batches",
    "weights",
    "hosts",
    "checkpoint",
    "resumption",
    "export",
    "onnx",
    "progress",
    "records",
    "stopping",
    "orthogonal",
    "optimiser",
    "sharing",
    "updates",
    "run_faces",
    "run_state",
    "validation",
    "feed",
    "start",
    "lookout",
    "training",
    "stream",
    "landmarks",
    "looks",
    "inference",
    "shard_files",
    "bulk",
    "placing",
    "teaching",
    "smoothing",
    "tracks",
    "tracking",
    "flicker",
    "video",
    "annotated_faces",
    "evaluation",
    "disturbance",
    "robustness",
    "curves",
    "plots",
    "report.numbering",
    "report.outlines",
    "report.figures",
    "report.gallery",
    "report.charts",
    "report.heat",
    "report.diagrams",
    "report.tables",
    "report.page",
    "report",  # its names
]
# What the programs share, beside their settings.
SHARED = (
    "outputs",
    "out_folder",
    "validation_faces",
    "settings",
    "process",
    "program",
    "cluster",
    "passed_over",
    "short_names",
    "inputs",
    "finding",
    "workers",
    "made_with",
    "face_numbers",
    "found",
    "face_table",
    "origin",
    "results",
    "photos",
    "video_results",
    "conclusion",
    "video",
    "timing",
    "markdown",
    "variants",
    "rows",
    "shares",
    "given_landmarks",
    "peers",
    "ratios",
    "chart",
    "table",
)
# What the tables and figures of the paper share, beside these.
OF_THE_PAPER = (
    "budgets",
    "comparison",
    "descent",
    "learning",
    "results",
    "scoring",
    "study",
)
FORBIDDEN = ("absl.flags", "pickle", "socket", "urllib", "http", "requests")


def imported_names(source):
    """The dotted names that a module imports; a relative one starts with a dot."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            gap = "" if base.endswith(".") else "."
            names += [f"{base}{gap}{alias.name}" for alias in node.names]
    return names


def rooms_used(source):
    """The rooms of the library that a module imports, and what is no room."""
    used = []
    for name in imported_names(source):
        if name.split(".")[0] != "rcsr_jax":
            continue
        inner = name.removeprefix("rcsr_jax").removeprefix(".")
        # `from rcsr_jax.data.crops import CropCache` names a room and a thing in it
        used.append(next((r for r in ROOMS if f"{inner}.".startswith(f"{r}.")), inner))
    return used


def upward_imports(room, source):
    """What a room imports that does not lie before it."""
    below = ROOMS[: ROOMS.index(room)]
    return [used for used in rooms_used(source) if used not in below]


def source_of(room):
    path = LIBRARY / room.replace(".", "/")
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return path.read_text(encoding="utf-8")


def test_every_file_has_its_place():
    files = {
        ".".join(path.relative_to(LIBRARY).with_suffix("").parts)
        for path in LIBRARY.rglob("*.py")
        if path.name != "__init__.py"
    }
    assert files == set(ROOMS) - {"config", "data.annotations", "report"}
    assert len(ROOMS) == len(set(ROOMS))
    for folder in ("data", "features"):
        assert (LIBRARY / folder / "__init__.py").read_text() == ""


def test_the_page_on_the_code_names_every_file():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(?:[\w.]+\.)?(\w+)`", page))
    rooms = {room for room in ROOMS if not room.startswith("data.annotations.")}
    assert {room.split(".")[-1] for room in rooms} <= named


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_before_it(room):
    source = source_of(room)
    assert upward_imports(room, source) == []
    assert [name for name in imported_names(source) if name.startswith(".")] == []


@pytest.mark.parametrize("room", ["__init__", *ROOMS])
def test_the_library_reads_no_flags_opens_no_socket_and_never_prints(room):
    source = source_of(room)
    for name in imported_names(source):
        for forbidden in (*FORBIDDEN, "experiments", "rcsr_jax.experiments"):
            assert not f"{name}.".startswith(f"{forbidden}."), name
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            assert not (isinstance(node.func, ast.Name) and node.func.id == "print")
            for keyword in node.keywords:
                if keyword.arg == "allow_pickle":
                    assert ast.unparse(keyword.value) == "False"


@pytest.mark.parametrize(
    "path", sorted((ROOT / "experiments").rglob("*.py")), ids=lambda path: path.name
)
def test_programs_import_the_library_and_what_they_share_alone(path):
    source = path.read_text(encoding="utf-8")
    shared = SHARED if path.parent.name != "paper" else (*SHARED, *OF_THE_PAPER)
    for name in imported_names(source):
        assert name.split(".")[0] not in ("experiments", "tests"), name
        assert not name.startswith(".") or name.strip(".").split(".")[0] in shared, name
    for used in rooms_used(source):
        assert used in ROOMS


def test_the_check_sees_every_kind_of_import():
    upward = """
import rcsr_jax.model
from rcsr_jax import training, version
from rcsr_jax.data.crops import CropCache
def late():
    from rcsr_jax.report import write_report
"""
    assert upward_imports("metrics", upward) == [
        "model",
        "training",
        "data.crops",
        "report",
    ]
    assert upward_imports("report", "import rcsr_jax") == [""]
    assert imported_names("from . import settings") == [".settings"]
    assert imported_names("from ..data import faces") == ["..data.faces"]
