"""The console commands as a user runs them, and a folder that holds what they need.

Imports are two thirds of a short command. So each is forked from a process that has done
them and nothing else; from its first line on all that it does is its own. `process_test`
starts programs as a shell does.
"""

import importlib
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import pytest

_SECONDS = 300
_OF_OTHERS = ("absl.app", "matplotlib.backends.backend_agg", "scipy.optimize")
_OWN = ("bulk", "comparison", "curves", "report", "robustness", "teaching", "tracking")
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*_OF_OTHERS, *(f"rcsr_jax.{name}" for name in _OWN)])

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
    """What a console command does and says."""
    (script,) = {
        (found.module, found.attr)
        for found in metadata.entry_points(group="console_scripts", name=command)
    }
    return _forked([command, *map(str, arguments)], cwd=cwd, script=script)


def run_module(name: str, *arguments, cwd: Path) -> subprocess.CompletedProcess:
    """What a program without a command does and says: `python -m` with its name."""
    words = [f"rcsr_jax.experiments.{name}", *map(str, arguments)]
    return _forked(words, cwd=cwd, script=None)


def _forked(
    words: list[str], *, cwd: Path, script: tuple[str, str] | None
) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        for path in said:
            path.touch()
        started = _FORKS.Process(
            target=_begin, args=(words, cwd, said, dict(os.environ), script)
        )
        with pytest.MonkeyPatch.context() as patch:  # the first start begins the server
            # which has one thread, as others would be missing in what is forked
            patch.setenv("OPENBLAS_NUM_THREADS", "1")
            # JAX warns of forks, which do harm where it has begun to compute
            patch.setenv("PYTHONWARNINGS", "ignore:os.fork:RuntimeWarning")
            started.start()
        started.join(_SECONDS)
        if started.exitcode is None:
            started.kill()
            started.join()
            raise TimeoutError(f"{words} ran for {_SECONDS} s: {said[1].read_text()}")
        out, err = (path.read_text("utf-8") for path in said)
        return subprocess.CompletedProcess(words, started.exitcode, out, err)


def _begin(
    words: list[str],
    cwd: Path,
    said: Sequence[Path],
    environment: Mapping[str, str],
    script: tuple[str, str] | None,
) -> None:
    """In the new process: what the interpreter does before a program's first line."""
    for number, path in enumerate(said, start=1):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    # as the interpreter opens them: errors are seen at once
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, "utf-8", "backslashreplace", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    sys.argv = words
    if script is None:
        runpy.run_module(words[0], run_name="__main__", alter_sys=True)
    else:
        module, function = script
        sys.exit(getattr(importlib.import_module(module), function)())


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
    done = run_module(name, *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program_that_fails(name: str, *arguments, cwd: Path) -> str:
    """The line that a user's mistake is answered with by a program without a command."""
    done = run_module(name, *arguments, cwd=cwd)
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    return done.stderr


def trained_place(place: Path) -> Path:
    """A folder with drawn photos in the layout of 300-W and a model trained on them."""
    succeed("rcsr-draw", "--num_faces=24", "--size=96", "--out=photos", cwd=place)
    data = ["--data=photos", "--boxes=photos/boxes.csv"]
    succeed("rcsr-train", *TINY, *data, "--workdir=run", cwd=place)
    return place
