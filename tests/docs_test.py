"""What the documentation says: its Python runs, its commands exist, its messages are real.

The blocks of a page run one after the other, in a folder of their own. A comment behind a
`print` is what it prints, with "..." for anything. A block that a comment `<!-- not run by
the tests: reason -->` stands before is left out.
"""

import configparser
import contextlib
import fnmatch
import io
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from rcsr_jax.checkpoint import export_params
from rcsr_jax.config import RunConfig, replace_fields
from rcsr_jax.data.annotations import (
    AnnotatedFace,
    write_annotations,
    write_landmarks_json,
)
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.data.images import save_image
from rcsr_jax.markup import FACE_68, read_markup
from rcsr_jax.report.numbering import landmark_diagram
from rcsr_jax.video import VideoFrame, VideoWriter
from tests import tiny

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md"))
SLOW = {"jax.md"}  # compiles gradients
STAND_IN = {"own_landmarks.md"}  # its data and what it prints are not these
_BLOCK = re.compile(
    r"(?P<skip><!-- not run by the tests: .+ -->\n)?"
    r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def blocks(page: str, kind: str) -> list[str]:
    """The fenced blocks of a page that are of this kind."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [match for match in _BLOCK.finditer(text) if match["kind"] == kind]
    return [match["text"] for match in found if kind != "python" or not match["skip"]]


def helen29(place: Path) -> None:
    """What the page about landmarks of one's own takes as given, with drawn faces."""
    folder = place / "DATA/helen29/img"
    folder.mkdir(parents=True)
    save_image(folder / "103236168_1.jpg", draw_face(0, 0, size=320).image)
    random = np.random.default_rng(0)
    names = ["103236168_1", *(f"{number}_1" for number in range(60))]
    shapes = random.uniform(100, 220, (len(names), 29, 2))
    landmarks = {f"img/{name}.jpg": s for name, s in zip(names, shapes, strict=True)}
    write_landmarks_json(place / "DATA/helen29/landmarks.json", landmarks)
    (place / "docs").symlink_to(DOCS)
    markup = read_markup(DOCS / "helen29.json")
    model = replace_fields(RunConfig(model=tiny.CONFIG), {"markup": markup})
    params = tiny.make_params(model.model)
    export_params(place / "run29", params=params, config=model)


def a_photo(place: Path) -> None:
    save_image(place / "photo.jpg", draw_face(4, 3, size=320).image)


def faces_of_dlib(place: Path) -> None:
    a_photo(place)
    points, box = (
        np.array([[10.0, 12.0], [40.0, 12.0]]),
        np.array([5.0, 6.0, 90.0, 99.0]),
    )
    face = AnnotatedFace("photo.jpg", points, box)
    write_annotations(place / "faces.xml", [face])


def a_clip(place: Path) -> None:
    image = draw_face(4, 3, size=320).image
    with VideoWriter(place / "clip.mp4", rate=10) as writer:
        for number in range(3):
            writer.write(VideoFrame(image, number / 10))


# what the blocks of a page find in their folder
FILES = {
    "own_landmarks.md": helen29,
    "predict.md": a_photo,
    "formats.md": faces_of_dlib,
    "video.md": a_clip,
}


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, marks=[pytest.mark.slow] if page in SLOW else [])
        for page in PAGES
        if blocks(f"docs/{page}", "python")
    ],
)
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    FILES.get(page, lambda place: None)(tmp_path)
    printed = io.StringIO()
    program = "\n".join(blocks(f"docs/{page}", "python"))
    # a reader's program adds arrays of different ranks
    with contextlib.redirect_stdout(printed), jax.numpy_rank_promotion("allow"):
        exec(compile(program, page, "exec"), {"__name__": "__main__"})
    if page in STAND_IN:
        return
    expected = re.findall(r"^\s*print\(.+\)  # (.+)$", program, re.MULTILINE)
    lines = printed.getvalue().splitlines()
    for told in expected:
        pattern = re.sub(r"([\[\]])", r"[\1]", told).replace("...", "*")
        assert any(fnmatch.fnmatchcase(line, pattern) for line in lines), (told, lines)


PROGRAMS = """
import copy, importlib, json, sys
from absl import flags
from rcsr_jax.experiments import process
shared = set(flags.FLAGS)
answers = []
for module, lines in json.load(sys.stdin).items():
    importlib.import_module(module)
    own = flags.FlagValues()
    own.append_flag_values(flags.FLAGS)
    for name in set(flags.FLAGS) - shared:
        delattr(flags.FLAGS, name)
    for line in lines:
        try:
            copy.deepcopy(own)(line)
        except flags.Error as error:
            answers.append([line, str(error)])
json.dump(answers, sys.stdout)
"""


def console_scripts() -> dict[str, str]:
    """The module of each console command."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    text = parser["options.entry_points"]["console_scripts"]
    pairs = [line.split("=") for line in text.strip().splitlines()]
    return {name.strip(): where.strip().split(":")[0] for name, where in pairs}


def commands(text: str) -> list[list[str]]:
    """The command lines of a shell block, as words."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def program_of(words: list[str]) -> str | None:
    """The module of ours that a command runs."""
    scripts = console_scripts()
    if words[0] in scripts:
        return scripts[words[0]]
    return words[2] if words[:2] == ["python", "-m"] else None


def wrong_commands(lines: list[list[str]]) -> list:
    """Those whose flags their program does not take, and why."""
    by_program: dict[str, list[list[str]]] = {}
    for words in lines:
        module = program_of(words)
        if module is None or "--help" in words:
            continue
        flags = words[3:] if words[0] == "python" else words[1:]
        by_program.setdefault(module, []).append([module, *flags])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAMS],
        input=json.dumps(by_program),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_every_command_is_one_that_its_program_takes():
    pages = ["README.md", "MODEL_CARD.md", *(f"docs/{page}" for page in PAGES)]
    lines = [
        words
        for page in pages
        for block in blocks(page, "bash")
        for words in commands(block)
    ]
    assert len(lines) > 20
    wrong = [
        ["rcsr-draw", "--out=x", "--num_face=3"],
        ["rcsr-draw", "--num_faces=3"],  # without --out
        ["python", "-m", "rcsr_jax.experiments.diagram", "--out=x", "--size=3"],
    ]
    answers = wrong_commands([*lines, *wrong])
    assert len(answers) == len(wrong), answers
    reasons = " ".join(reason for _, reason in answers)
    assert all(name in reasons for name in ("num_face", "--out", "'size'")), reasons

    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    for words in lines:
        known = words[0] in ("pip", "make") or program_of(words) is not None
        assert known, words
        if words[0] == "make":
            assert set(words[1:]) <= targets, words
        for extra in re.findall(r"\[(\w+)\]", " ".join(words)):
            assert extra in parser["options.extras_require"], words


def test_the_messages_of_the_troubleshooting_page_are_real():
    text = (DOCS / "troubleshooting.md").read_text(encoding="utf-8")
    messages = re.findall(r"^### `(.+)`$", text, re.MULTILINE)
    assert len(messages) > 5
    source = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "rcsr_jax").rglob("*.py")
    )
    for message in messages:
        assert message in source, message


def test_every_page_has_its_place_in_the_site():
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"^ +- .+: (\w+\.md)$", text, re.MULTILINE))
    assert named == set(PAGES)


def test_the_diagram_is_what_the_code_draws():
    drawn = landmark_diagram(frontal_landmarks(mouth=0.7), markup=FACE_68)
    assert (DOCS / "landmarks.svg").read_text(encoding="utf-8") == drawn
