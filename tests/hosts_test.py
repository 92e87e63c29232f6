"""Two processes train as one does; the loss of one ends both, and the restart goes on."""

import csv
import json
import os
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
import tiny

from rcsr_jax import checkpoint, hosts
from rcsr_jax.config import preset, replace_fields
from rcsr_jax.training import train

UPDATES = 20
SETTINGS = {
    **tiny.RUN,
    "drawn_faces": 21,  # 17 to train on: no equal share of them for four devices
    "num_updates": UPDATES,
    "eval_every": 5,
}


def test_one_process_has_none_to_agree_with():
    assert hosts.is_first()
    assert hosts.any_of(True, False) == (True, False)
    assert hosts.first_before_others(lambda: 3) == 3
    with pytest.raises(ValueError, match="its own error"):
        hosts.first_before_others(fail)


def fail():
    raise ValueError("its own error")


def test_the_others_come_after_the_first_and_hear_of_its_failure(monkeypatch):
    asked = []

    def any_of(*here):
        asked.append(here)
        return (failed,)

    monkeypatch.setattr(hosts, "is_first", lambda: False)
    monkeypatch.setattr(hosts, "any_of", any_of)
    failed = False
    assert hosts.first_before_others(lambda: len(asked)) == 1  # asked before it is made
    failed = True
    with pytest.raises(ValueError, match="the first process of this run has failed"):
        hosts.first_before_others(lambda: asked.append("made"))
    assert "made" not in asked


def begin(workdir, **changes):
    """Two processes of two devices each, told of each other as Slurm does."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    flags = tiny.as_flags(SETTINGS | changes | {"workdir": workdir})
    flags += ["--preset=demo", "--cpu_devices=2", "--failure_seconds=20"]
    slurm = {
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "JAX_COORDINATOR_PORT": str(port),
    }
    running = []
    for number in range(2):
        place = {"SLURM_PROCID": str(number), "SLURM_LOCALID": str(number)}
        with (workdir / f"log{number}").open("w") as file:
            running.append(
                subprocess.Popen(
                    [sys.executable, "-m", "rcsr_jax.experiments.train", *flags],
                    env={**os.environ, **slurm, **place},
                    stderr=file,
                )
            )
    return running


def log(workdir, number):
    return (workdir / f"log{number}").read_text()


def wait_for(workdir, text):
    end = time.monotonic() + 500
    while text not in log(workdir, 0):
        assert time.monotonic() < end, log(workdir, 0)
        time.sleep(0.1)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The work folder of one process with four devices."""
    workdir = tmp_path_factory.mktemp("straight")
    train(replace_fields(preset("demo"), SETTINGS), workdir=workdir)
    return workdir


def rows(workdir):
    with (workdir / "metrics.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_close(left, right):
    """The same batches lead to the same losses, errors and parameters."""
    last = [rows(place)[-1] for place in (left, right)]
    assert [row["step"] for row in last] == [str(UPDATES)] * 2
    for name in ("loss", "nme_interocular"):
        np.testing.assert_allclose(*(float(row[name]) for row in last), rtol=1e-4)
    params = [
        jax.tree.leaves(checkpoint.load_params(p / f"checkpoints/{UPDATES}")[0])
        for p in (left, right)
    ]
    for one, other in zip(*params, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


@pytest.mark.slow
def test_two_processes_of_two_devices_do_what_one_of_four_does(straight, tmp_path):
    running = begin(tmp_path)
    codes = [process.wait(timeout=600) for process in running]
    assert codes == [0, 0], log(tmp_path, 0) + log(tmp_path, 1)
    assert "4 x cpu in 2 processes" in log(tmp_path, 0)
    assert "update " not in log(tmp_path, 1)  # the first one tells
    assert [row["step"] for row in rows(tmp_path)] == ["5", "10", "15", "20"]
    assert_close(tmp_path, straight)
    written = tmp_path / f"checkpoints/{UPDATES}/training"
    parts = [path.name for path in written.glob("ocdbt.process_*")]
    assert sorted(parts) == ["ocdbt.process_0", "ocdbt.process_1"]


@pytest.mark.slow
@pytest.mark.parametrize("lost", [0, 1])
def test_the_loss_of_a_process_ends_both_and_the_restart_goes_on(
    lost, straight, tmp_path
):
    # with a checkpoint at every update it is at work for seconds more
    running = begin(tmp_path, eval_every=1)
    wait_for(tmp_path, "update 2 ")
    running[lost].kill()
    killed = time.monotonic()
    assert running[1 - lost].wait(timeout=120) != 0
    assert time.monotonic() - killed < 60
    assert running[lost].wait() == -signal.SIGKILL
    # on one process, that says so
    told = []
    run = replace_fields(preset("demo"), SETTINGS)
    assert train(run, workdir=tmp_path, on_progress=told.append).finished
    notes = " ".join(progress.note for progress in told)
    assert "num_processes was 2, now 1" in notes
    assert_close(tmp_path, straight)


@pytest.mark.slow
def test_a_signal_to_one_process_has_both_save_and_end(tmp_path):
    running = begin(tmp_path, num_updates=100_000, eval_every=1)
    wait_for(tmp_path, "update 2 ")
    running[1].send_signal(signal.SIGTERM)
    codes = [process.wait(timeout=120) for process in running]
    assert codes == [75, 75], log(tmp_path, 0) + log(tmp_path, 1)
    last = checkpoint.saved_steps(tmp_path)[-1]
    assert last >= 2 and f"stopped after {last} updates" in log(tmp_path, 0)
    told = json.loads((tmp_path / "environment.json").read_text())
    assert (told["num_processes"], told["num_devices"]) == (2, 4)
