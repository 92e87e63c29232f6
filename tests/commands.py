"""The console commands as a user runs them, and a folder that holds what they need.

Imports are two thirds of a short command. So each is forked from a process that has done
them and nothing else; from its first line on all that it does is its own. `process_test`
starts programs as a shell does.
"""

import importlib
import multiprocessing
import os
import reprlib
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, NoReturn

import pytest

_SECONDS = 300
_OF_OTHERS = ("absl.app", "matplotlib.backends.backend_agg", "scipy.optimize")
_OWN = ("bulk", "comparison", "curves", "report", "robustness", "teaching", "tracking")
_SHORT = reprlib.Repr()
_SHORT.maxother = _SHORT.maxstring = 200
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


def run(
    command: str,
    *arguments,
    cwd: Path,
    replaced: Mapping[str, Callable[..., Any]] | None = None,
) -> subprocess.CompletedProcess:
    """What a console command does and says.

    Args:
        command: its name.
        arguments: behind it.
        cwd: the folder that it runs in.
        replaced: what stands in for functions, by their module and name; to be imported.
    """
    (script,) = {
        (found.module, found.attr)
        for found in metadata.entry_points(group="console_scripts", name=command)
    }
    words = [command, *map(str, arguments)]
    return _forked(words, cwd=cwd, script=script, replaced=replaced or {})


def run_module(
    name: str,
    *arguments,
    cwd: Path,
    replaced: Mapping[str, Callable[..., Any]] | None = None,
) -> subprocess.CompletedProcess:
    """What a program without a command does and says: `python -m` with its name.

    Args: those of `run`.
    """
    words = [f"rcsr_jax.experiments.{name}", *map(str, arguments)]
    return _forked(words, cwd=cwd, script=None, replaced=replaced or {})


def _forked(
    words: list[str],
    *,
    cwd: Path,
    script: tuple[str, str] | None,
    replaced: Mapping[str, Callable[..., Any]],
) -> subprocess.CompletedProcess:
    with tempfile.TemporaryDirectory() as folder:
        said = [Path(folder) / name for name in ("stdout", "stderr")]
        for path in said:
            path.touch()
        started = _FORKS.Process(
            target=_begin, args=(words, cwd, said, dict(os.environ), script, replaced)
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
    replaced: Mapping[str, Callable[..., Any]],
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
    for place, stand_in in replaced.items():
        module, name = place.rsplit(".", 1)
        setattr(importlib.import_module(module), name, stand_in)
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
    return _error(run(command, *arguments, cwd=cwd))


def _error(done: subprocess.CompletedProcess) -> str:
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == 1 and len(errors) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return errors[0]


def called_with(function: str, name: str, *arguments, cwd: Path) -> str:
    """The keyword arguments that a program calls a function with, as text.

    Args:
        function: its module and name, where the program looks it up.
        name: of the program, which gets no further than that.
        arguments: behind it.
        cwd: the folder that it runs in.
    """
    start = run if name.startswith("rcsr-") else run_module
    return _error(start(name, *arguments, cwd=cwd, replaced={function: _tell}))


def _tell(*arguments: Any, **options: Any) -> NoReturn:
    told = (f"{name}={_SHORT.repr(value)}" for name, value in options.items())
    raise ValueError(", ".join(told))


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
