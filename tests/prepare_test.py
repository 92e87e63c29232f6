"""rcsr-prepare, killed at random moments, ends with the files of one that was not."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from commands import called_with, succeed

pytestmark = pytest.mark.slow

FACES = 700


WORDS = ["--data=drawn", f"--drawn_faces={FACES}", "--preset=demo"]


def start(out: Path) -> subprocess.Popen:
    program = Path(sys.executable).parent / "rcsr-prepare"
    return subprocess.Popen(
        [program, *WORDS, "--jobs=2", f"--out={out}"],
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # its processes die with it
    )


def do(out: Path, *, jobs: int) -> str:
    where = [f"--jobs={jobs}", f"--out={out}"]
    return succeed("rcsr-prepare", *WORDS, *where, cwd=out.parent)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def parts_of(out: Path) -> int:
    return len(list(out.with_name(out.name + ".building").glob("part-*.npz")))


def test_a_killed_preparation_goes_on_and_a_finished_one_is_left_alone(tmp_path):
    assert do(tmp_path / "whole", jobs=1).startswith(f"{FACES} faces in")
    out, random = tmp_path / "killed", np.random.default_rng(0)
    before = 0
    for _ in range(4):
        running = start(out)
        while parts_of(out) < before + 2 and running.poll() is None:
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.3))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        assert not out.exists()
        assert parts_of(out) >= before + 2
        before = parts_of(out)
    do(out, jobs=2)
    assert content_of(out) == content_of(tmp_path / "whole")
    times = {path: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    do(out, jobs=2)
    assert times == {path: path.stat().st_mtime_ns for path in out.glob("*.npy")}
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "killed"}


def test_flags_of_teaching_reach_it(tmp_path):
    words = ["--data=drawn", "--drawn_faces=9", "--validation_faces=2", "--out=taught"]
    told = called_with(
        "rcsr_jax.experiments.prepare.teach",
        *("rcsr-prepare", *words, "--teacher=fast", "--teacher_share=0.25", "--place"),
        *("--most_apart=0.125", "--min_score=0.375"),
        cwd=tmp_path,
    )
    teaching = "share=0.25, place=True, most_apart=0.125, min_score=0.375"
    assert f"teaching=Teaching({teaching}), validation_faces=2" in told
