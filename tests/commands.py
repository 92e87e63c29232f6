"""The console commands as a user runs them, and a folder that holds what they need."""

import subprocess
import sys
from pathlib import Path

TINY = [
    "--preset=demo",
    "--crop_size=32",
    "--patch_size=16",
    "--filters=4,3,1",
    "--hidden_size=5",
    "--num_steps=2",
    "--max_steps=4",
    "--validation_faces=8",
    "--batch_size=8",
    "--num_updates=4",
    "--eval_every=2",
]


def run(command: str, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    program = Path(sys.executable).parent / command
    words = [str(program), *map(str, arguments)]
    return subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300)


def succeed(command: str, *arguments, cwd: Path) -> str:
    done = run(command, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fail(command: str, *arguments, cwd: Path) -> str:
    """The one line that a user's mistake is answered with."""
    done = run(command, *arguments, cwd=cwd)
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


def program(name: str, *arguments, cwd: Path) -> str:
    words = [sys.executable, "-m", f"rcsr_jax.experiments.{name}", *arguments]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program_that_fails(name: str, *arguments, cwd: Path) -> str:
    """The line that a user's mistake is answered with by a program without a command."""
    words = [sys.executable, "-m", f"rcsr_jax.experiments.{name}", *arguments]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def trained_place(place: Path) -> Path:
    """A folder with drawn photos in the layout of 300-W and a model trained on them."""
    succeed("rcsr-draw", "--num_faces=24", "--size=96", "--out=photos", cwd=place)
    data = ["--data=photos", "--boxes=photos/boxes.csv"]
    succeed("rcsr-train", *TINY, *data, "--workdir=run", cwd=place)
    return place
