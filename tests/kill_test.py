"""Training runs that are killed, told to end, or run out of disk lose no work."""

import os
import random
import resource
import signal
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import tiny
from commands import succeed

from rcsr_jax import checkpoint

# RCSR_KILLS=20 for as many as it takes to trust it
KILLS = int(os.environ.get("RCSR_KILLS", "2"))
UPDATES = 24
SETTINGS = {
    "data": "drawn",
    "preset": "demo",
    **tiny.RUN,
    "eval_every": 2,
    "num_updates": UPDATES,
}


def flags(workdir):
    return tiny.as_flags(SETTINGS | {"workdir": workdir})


def begin(workdir):
    words = [sys.executable, "-m", "rcsr_jax.experiments.train", *flags(workdir)]
    return subprocess.Popen(words, stderr=subprocess.PIPE, text=True, bufsize=1)


def lines_until(running, *texts):
    """What a run says, up to a line that holds one of the texts."""
    lines = []
    for line in running.stderr:
        lines.append(line)
        if any(text in line for text in texts):
            return lines
    raise AssertionError(f"never said {texts}: {lines}")


def finish(workdir):
    succeed("rcsr-train", *flags(workdir), cwd=workdir)


def last_params(workdir):
    place = workdir / "checkpoints" / str(UPDATES)
    return jax.tree.leaves(jax.device_get(checkpoint.load_params(place)[0]))


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The last parameters of a run that nobody touched."""
    workdir = tmp_path_factory.mktemp("straight")
    finish(workdir)
    return last_params(workdir)


def assert_same(left, right):
    for one, other in zip(left, right, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
def test_a_run_killed_at_random_ends_with_the_same_parameters(straight, tmp_path):
    moments = random.Random(0)
    killed = 0
    for number in range(KILLS):
        running = begin(tmp_path / str(number // 4))
        # a checkpoint is written at every second update: most moments fall into one
        # at the last, and the run that goes on has but to say that it is finished
        lines = lines_until(running, "update ", "finished")
        time.sleep(moments.uniform(0, 1.5))
        running.kill()
        rest = running.communicate()[1]
        killed += "finished" not in lines[-1] + rest
        last = number == KILLS - 1 or (number + 1) % 4 == 0
        if last:
            finish(tmp_path / str(number // 4))
            assert_same(last_params(tmp_path / str(number // 4)), straight)
    print(f"{killed} of {KILLS} killed before the end")
    assert killed


@pytest.mark.slow
@pytest.mark.usefixtures("hang_ups_heard")
@pytest.mark.parametrize("kind", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_run_that_is_told_to_end_saves_first(kind, straight, tmp_path):
    running = begin(tmp_path)
    lines_until(running, "first update")
    told = time.monotonic()
    running.send_signal(kind)
    rest = running.communicate(timeout=120)[1]
    assert running.returncode == 75, rest
    assert time.monotonic() - told < 30  # on a busy machine; it takes a second or two
    assert "run the same command again" in rest
    finish(tmp_path)
    assert_same(last_params(tmp_path), straight)


@pytest.mark.slow
def test_a_full_disk_is_told_and_loses_no_checkpoint(straight, tmp_path):
    running = begin(tmp_path)
    lines_until(running, "update 4 ")
    # no file may grow beyond a block from now on: what a full disk does to writes
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (4096, 4096))
    rest = running.communicate(timeout=120)[1]
    assert running.returncode == 1, rest
    error = rest.strip().splitlines()[-1]
    assert error.startswith("error: ") and "checkpoint" in error
    finish(tmp_path)
    assert_same(last_params(tmp_path), straight)
