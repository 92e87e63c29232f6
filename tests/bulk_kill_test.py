"""Killed workers and killed runs lose no photo and double no face; needs Ray."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import commands
import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny

from rcsr_jax.config import RunConfig
from rcsr_jax.data.images import save_image
from rcsr_jax.weights import write_weights

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

PHOTOS = 60  # and one that is broken


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder and an archive of photos, a model, and results that nothing disturbed."""
    place = tmp_path_factory.mktemp("bulk")
    random = np.random.default_rng(0)
    for folder, first in (("photos", 0), ("packed", PHOTOS // 2)):
        (place / folder).mkdir()
        for number in range(first, first + PHOTOS // 2):
            image = random.integers(0, 256, (60, 60, 3), dtype=np.uint8)
            save_image(place / folder / f"{number:03d}.png", image)
    (place / "photos" / "broken.png").write_bytes(b"torn")
    with tarfile.open(place / "packed.tar", "w") as archive:
        for path in sorted((place / "packed").iterdir()):
            archive.add(path, path.name)
    (place / "photos/new.nef").write_bytes(b"a photo that is not read")
    params, config = tiny.make_params(), RunConfig(model=tiny.CONFIG)
    write_weights(place / "tiny.npz", params=params, config=config)
    assert do(place, "alone").returncode == 0
    return place


def words_for(place: Path, out: str, *flags: str) -> list[str]:
    return [
        f"--checkpoint={place / 'tiny.npz'}",
        "--filled",
        "--num_steps=2",
        "--photos_per_shard=4",
        f"--out={place / out}",
        *flags,
        str(place / "photos"),
        str(place / "packed.tar"),
    ]


def do(place: Path, out: str, *flags: str) -> subprocess.CompletedProcess:
    """A run to its end, without workers."""
    words = words_for(place, out, "--workers=0", *flags)
    return commands.run("rcsr-bulk", *words, cwd=place)


def start(place: Path, out: str, *flags: str) -> subprocess.Popen:
    program = Path(sys.executable).parent / "rcsr-bulk"
    words = words_for(place, out, *flags)
    return subprocess.Popen([program, *words], stdout=subprocess.DEVNULL)


def finish(running: subprocess.Popen) -> int:
    return running.wait(timeout=400)


def workers_of(pid: int) -> list[int]:
    """The processes of Ray's actors below a process."""
    parents, names = {}, {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            before, _, after = status.read_text().rpartition(")")
            command = (status.parent / "cmdline").read_text()
        except OSError:  # ended meanwhile
            continue
        number = int(before.split()[0])
        parents[number], names[number] = int(after.split()[1]), command
    found = []
    for number, name in names.items():
        above = number
        while above in parents and above != pid:
            above = parents[above]
        if above == pid and "MapWorker" in name:
            found.append(number)
    return found


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.parquet")}


def wait_for(folder: Path, count: int, running: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while len(results(folder)) < count and running.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check(place: Path, out: str) -> None:
    expected = results(place / "alone")
    assert len(expected) == 9  # 31 photos by fours, and the archive
    assert results(place / out) == expected
    table = pq.read_table(place / out).to_pylist()
    seen = [(row["source"], row["photo"], row["face"]) for row in table]
    assert len(seen) == len(set(seen)) == PHOTOS + 1
    assert sum(row["error"] is not None for row in table) == 1
    left = {path.name for path in (place / out).iterdir()} - set(expected)
    assert left == {"_summary.json"}  # readers of Parquet leave it out
    told = json.loads((place / out / "_summary.json").read_text())
    assert told["faces"] == PHOTOS and told["passed_over"] == {".nef": 1}


def test_killed_workers(place):
    running = start(place, "killed", "--workers=2", "--cores_per_worker=1")
    kills = 0
    for count in (1, 3, 5):
        wait_for(place / "killed", count, running)
        for worker in workers_of(running.pid)[:1]:
            os.kill(worker, signal.SIGKILL)
            kills += 1
    assert finish(running) == 0
    assert kills == 3
    check(place, "killed")


def test_results_of_other_pieces_are_removed_on_demand_only(place):
    def run(*flags):
        done = do(place, "pieces", *flags)
        return done.returncode, done.stderr, set(results(place / "pieces"))

    code, _, few = run("--photos_per_shard=20")
    assert code == 0 and len(few) == 3
    code, _, many = run()  # by fours: the first two have other photos now
    assert code == 0 and len(many) == 9
    code, told, left = run("--photos_per_shard=20")
    assert code == 1 and left == many
    assert "6 files in" in told and "--overwrite removes them" in told
    code, _, left = run("--photos_per_shard=20", "--overwrite")
    assert code == 0 and left == few


def test_photos_that_changed_are_told(place):
    first = do(place, "changed")
    assert first.returncode == 0 and "done again" not in first.stderr
    photo = sorted((place / "photos").iterdir())[0]
    before = photo.stat().st_mtime_ns
    os.utime(photo, ns=(1, 1))
    try:
        again = do(place, "changed")
    finally:
        os.utime(photo, ns=(before, before))
    assert again.returncode == 0 and "1 shards are done again" in again.stderr


def test_a_killed_run_goes_on(place):
    running = start(place, "again", "--workers=1", "--cores_per_worker=1")
    wait_for(place / "again", 4, running)
    running.kill()
    finish(running)
    before = {p: p.stat().st_mtime_ns for p in (place / "again").glob("*.parquet")}
    assert len(before) >= 4
    assert do(place, "again").returncode == 0
    for path, time_written in before.items():  # what was done is not done again
        assert path.stat().st_mtime_ns == time_written
    check(place, "again")
