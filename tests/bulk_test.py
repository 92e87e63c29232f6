"""A shard's file has every photo once, is there whole or not, and knows what made it."""

import dataclasses
import importlib.util
import json
import os
import tarfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import tiny
from commands import fail, run
from rcsr_jax.experiments import workers

from rcsr_jax import shard_files
from rcsr_jax.bulk import predict_shard
from rcsr_jax.config import RunConfig
from rcsr_jax.data.images import save_image
from rcsr_jax.data.shards import find_shards
from rcsr_jax.inference import Faces
from rcsr_jax.shard_files import Counts, remove_others, what_is_done, write_shard
from rcsr_jax.stream import answers
from rcsr_jax.weights import write_weights

BOX = np.array([1.0, 2, 9, 12])


class Predictor:
    """Stands in for one that compiles: landmarks that tell the photo's first pixel."""

    config = tiny.CONFIG

    def stream(self, items, *, num_steps, num_threads, return_exceptions):
        def finish(batch):
            for image, boxes in batch:
                count = len(boxes)
                points = np.full((count, 68, 2), image[0, 0, 0], np.float32)
                points += np.arange(count, dtype=np.float32)[:, None, None] / 3
                yield Faces(
                    points,
                    np.full(count, 4),
                    np.ones(count, bool),
                    np.zeros((4, count, 68, 2), np.float32),
                    np.zeros((count, 68), np.float32),
                    points[..., 0] / 10,
                    np.ones((count, 68, 3), np.float32),
                    np.full(count, 0.75, np.float32),
                )

        return answers(
            items,
            prepare=lambda item: item(),
            start=list,
            finish=finish,
            weigh=lambda ready: len(ready[1]),
            batch_weight=4,
            num_threads=2,
            return_exceptions=return_exceptions,
        )


@pytest.fixture
def photos(tmp_path):
    """Eight photos: one is broken, one has no box, one no face and one two."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(8):
        save_image(folder / f"{number}.png", np.full((20, 30, 3), number, np.uint8))
    (folder / "2.png").write_bytes(b"torn")
    return folder


def find_boxes(photo, image):
    if photo.name == "3.png":
        raise ValueError("no box in boxes.csv")
    count = {"4.png": 0, "5.png": 2}.get(photo.name, 1)
    return np.tile(BOX, (count, 1)), np.linspace(2, 1, count)


def shard_of(photos):
    (shard,) = find_shards([str(photos)], photos_per_shard=100)
    return shard


def do(photos, out, *, made_with="m"):
    shard = shard_of(photos)
    rows = predict_shard(Predictor(), shard, find_boxes=find_boxes)
    return write_shard(out, shard, rows, num_points=68, made_with=made_with)


def read(out):
    return [row for path in sorted(out.glob("*.parquet")) for row in _rows(path)]


def _rows(path):
    return pq.read_table(path).to_pylist()


def test_every_photo_has_its_rows(photos, tmp_path):
    assert do(photos, tmp_path) == Counts(photos=8, faces=6, failed=2)
    rows = read(tmp_path)
    assert [(row["photo"], row["face"]) for row in rows] == [
        *((f"{n}.png", 1) for n in range(2)),
        ("2.png", 0),
        ("3.png", 0),
        ("4.png", 0),
        ("5.png", 1),
        ("5.png", 2),
        ("6.png", 1),
        ("7.png", 1),
    ]
    assert "cannot read" in rows[2]["error"] or "not an image" in rows[2]["error"]
    assert rows[3]["error"] == "no box in boxes.csv"
    assert [row["error"] for row in rows[4:]] == [None] * 5
    assert rows[2]["width"] is None and rows[4]["points"] is None
    assert (rows[4]["width"], rows[4]["height"]) == (30, 20)
    second = rows[6]
    assert second["source"] == str(photos)
    assert second["box"] == BOX.tolist() and second["detection_score"] == 1
    assert len(second["points"]) == 136 and len(second["expected_error"]) == 68
    np.testing.assert_allclose(second["points"], 5 + 1 / 3, atol=1 / 512)
    np.testing.assert_allclose(second["expected_error"], 0.5333, atol=1 / 500)
    assert second["score"] == 0.75 and second["num_steps"] == 4 and second["settled"]


def pack(path, photos, *, keep=None):
    """An archive of photos; with `keep` the first bytes of it."""
    with tarfile.open(path, "w") as archive:
        for photo in sorted(photos.glob("*.png")):
            archive.add(photo, photo.name)
    path.write_bytes(path.read_bytes()[:keep])
    return path


@pytest.mark.parametrize(
    ("keep", "told"),
    [(None, None), (3, "truncated header"), (5500, "cannot be read on")],
)
def test_why_an_archive_was_not_read_to_its_end_is_known(keep, told, photos, tmp_path):
    archive = pack(tmp_path / "some.tar", photos, keep=keep)
    assert do(archive, tmp_path).failed > 0
    reason = shard_files.what_ended_it(tmp_path, shard_of(archive))
    assert reason == told if told is None else told in reason
    (path,) = tmp_path.glob("*.parquet")
    path.write_bytes(path.read_bytes()[:9])
    with pytest.raises(ValueError, match=rf"{path.name}: cannot be read: .*Remove it"):
        shard_files.what_ended_it(tmp_path, shard_of(archive))


def test_archives_that_were_not_read_to_their_end_are_told(photos, tmp_path):
    pack(tmp_path / "a.tar", photos)  # a photo of it is broken, and nothing else
    pack(tmp_path / "cut.tar", photos, keep=5500)
    (tmp_path / "bad.tar").write_bytes(b"abc")
    run_config = RunConfig(model=tiny.CONFIG)
    write_weights(tmp_path / "tiny.npz", params=tiny.make_params(), config=run_config)
    words = ["--checkpoint=tiny.npz", "--filled", "--num_steps=1", "--workers=0"]
    words += ["--out=out", "a.tar", "cut.tar", "bad.tar"]

    def told_of(done):
        summary = json.loads((tmp_path / "out/_summary.json").read_text())
        broken = {Path(b["archive"]).name for b in summary["broken_archives"]}
        for name in broken:
            assert f"{name}: cannot be read on: " in done.stderr
        return summary, broken

    for done_before in (0, 3):  # what is not done again is told again
        done = run("rcsr-bulk", *words, cwd=tmp_path)
        assert done.returncode == 1
        assert "error: 2 archives could not be read to their end, " in done.stderr
        summary, broken = told_of(done)
        assert broken == {"cut.tar", "bad.tar"}
        assert summary["of_these_done_before"] == done_before
        counted = [summary[name] for name in ("photos", "failed", "faces")]
        assert counted == [8 + 2, 1, 7 + 2]  # the archives themselves are no photos
    (photos / "2.png").unlink()
    for name in ("cut.tar", "bad.tar"):
        pack(tmp_path / name, photos)
    done = run("rcsr-bulk", *words, cwd=tmp_path)
    summary, broken = told_of(done)
    assert done.returncode == 0 and not broken
    assert summary["of_these_done_before"] == 1 and summary["faces"] == 7 * 3


def test_a_shard_done_twice_is_one_file_of_the_same_bytes(photos, tmp_path):
    do(photos, tmp_path)
    (path,) = tmp_path.glob("*.parquet")
    first = path.read_bytes()
    do(photos, tmp_path)
    assert [path.name] == [p.name for p in tmp_path.iterdir() if p.is_file()]
    assert path.read_bytes() == first


def test_what_is_done_is_known_from_the_file(photos, tmp_path):
    assert what_is_done(tmp_path, shard_of(photos), made_with="m") is None
    counts = do(photos, tmp_path)
    assert what_is_done(tmp_path, shard_of(photos), made_with="m") == counts
    (photos / "9.png").write_bytes(b"new")
    assert what_is_done(tmp_path, shard_of(photos), made_with="m") is None


def test_results_of_other_settings_are_not_mixed(photos, tmp_path):
    do(photos, tmp_path)
    with pytest.raises(ValueError, match=r"parquet was made with another model"):
        what_is_done(tmp_path, shard_of(photos), made_with="other")
    again = what_is_done(tmp_path, shard_of(photos), made_with="other", overwrite=True)
    assert again is None


def test_results_of_other_settings_are_not_mixed_in_a_folder(photos, tmp_path):
    do(photos, tmp_path)
    (mine,) = tmp_path.glob("*.parquet")
    plain = pq.read_table(mine).replace_schema_metadata({})
    pq.write_table(plain, tmp_path / "of_somebody.parquet")
    before = sorted(tmp_path.iterdir())
    assert remove_others(tmp_path, [], made_with="m") == []
    # this run's own are left to what_is_done
    remove_others(tmp_path, [shard_of(photos)], made_with="x", overwrite=True)
    with pytest.raises(ValueError, match=rf"{mine.name} was made with another model"):
        remove_others(tmp_path, [], made_with="x")
    assert sorted(tmp_path.iterdir()) == before
    assert remove_others(tmp_path, [], made_with="x", overwrite=True) == [mine]
    assert not mine.exists() and (tmp_path / "of_somebody.parquet").exists()


@pytest.mark.parametrize("keep", [0, 100, -1])
def test_a_damaged_file_is_not_done(keep, photos, tmp_path):
    do(photos, tmp_path)
    (path,) = tmp_path.glob("*.parquet")
    path.write_bytes(path.read_bytes()[:keep])
    assert what_is_done(tmp_path, shard_of(photos), made_with="m") is None


def test_what_a_killed_worker_left_is_in_nobodys_way(photos, tmp_path, monkeypatch):
    out = tmp_path / "out"
    out.mkdir()
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", _killed)
        patch.setattr(Path, "unlink", lambda path, **options: None)  # nor tidies up
        with pytest.raises(KeyboardInterrupt):
            do(photos, out)
    (left,) = out.iterdir()
    assert left.name.startswith(".") and pq.ParquetDataset(out).files == []
    do(photos, out)
    assert len(read(out)) == 9
    shard_files.remove_unfinished(out)
    assert [path.suffix for path in out.iterdir()] == [".parquet"]


def _killed(handle):
    raise KeyboardInterrupt


def test_a_fault_of_the_machine_is_not_a_photo_that_failed(photos, tmp_path):
    def fail(photo, image):
        raise MemoryError

    with pytest.raises(MemoryError):
        predict_shard(Predictor(), shard_of(photos), find_boxes=fail)


def test_names_that_are_no_text_are_kept(photos, tmp_path):
    (photos / "caf\udce9.png").write_bytes((photos / "1.png").read_bytes())
    do(photos, tmp_path)
    assert read(tmp_path)[-1]["photo"] == "caf\\xe9.png"


JOB = workers.Job(
    checkpoint="",
    finding={},
    num_steps=None,
    out="",
    made_with="m",
    overwrite=False,
    cores=1,
    keep_compiled=False,
)


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker whose model needs no compilation."""
    monkeypatch.setenv("NPROC", "1")
    monkeypatch.setattr(workers, "load_predictor", lambda checkpoint: Predictor())
    monkeypatch.setattr(workers, "box_finder", lambda *, box_map: find_boxes)
    out = tmp_path / "out"
    out.mkdir()
    return workers.Worker(dataclasses.replace(JOB, out=str(out)))


def batch_of(*shards):
    return {"shard": np.array([json.dumps(shard) for shard in shards])}


@contextmanager
def dying(monkeypatch):
    with monkeypatch.context() as patch:

        def die(*arguments, **options):
            raise SystemExit

        patch.setattr(workers, "predict_shard", die)
        yield


def test_a_worker_does_what_is_not_done(worker, photos, tmp_path, monkeypatch):
    shards = find_shards([str(photos)], photos_per_shard=3)
    told = worker(batch_of(*shards[:2]))
    assert told["photos"].tolist() == [3, 3] and told["failed"].tolist() == [1, 1]
    assert len(read(tmp_path / "out")) == 7
    with dying(monkeypatch):  # nothing is left to do
        again = worker(batch_of(*shards[:2]))
    assert {k: v.tolist() for k, v in again.items()} == {
        k: v.tolist() for k, v in told.items()
    }


def test_a_shard_that_ends_every_worker_is_given_up(
    worker, photos, tmp_path, monkeypatch
):
    shard = shard_of(photos)
    with dying(monkeypatch):
        for _ in range(5):
            with pytest.raises(SystemExit):
                worker(batch_of(shard))
        told = worker(batch_of(shard))
    assert told["name"].tolist() == [] and told["photos"].dtype == np.int64
    workers.forget_tries(tmp_path / "out")  # as another run begins
    assert worker(batch_of(shard))["photos"].tolist() == [8]
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".parquet"]


def test_several_workers_without_ray_say_what_to_install(monkeypatch):
    monkeypatch.setattr(workers.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(ValueError, match=r'pip install "rcsr-jax\[bulk\]"; --workers=0'),
        workers.ray_running(cores=1),
    ):
        pass


_find_spec = importlib.util.find_spec


def without_pyarrow(name, package=None):
    return None if name == "pyarrow" else _find_spec(name, package)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            ["--ray_address=auto", "--workers=0"],
            "--ray_address is about workers, and with --workers=0 there is none",
        ),
        (
            ["--gpus_per_worker=0.5", "--workers=0"],
            "--gpus_per_worker is about workers, and with --workers=0 there is none",
        ),
        (["--ray_address=auto"], "--ray_address needs --workers"),
    ],
)
def test_flags_of_workers_that_there_are_not_are_refused(words, told, tmp_path):
    assert told in fail("rcsr-bulk", *words, "--out=out", "gone", cwd=tmp_path)


@pytest.mark.parametrize(
    ("words", "package"), [(["--workers=0"], "pyarrow"), ([], '"rcsr-jax[bulk]"')]
)
def test_what_writes_the_results_is_asked_for_first(words, package, tmp_path):
    replaced = {"importlib.util.find_spec": without_pyarrow}
    words = [*words, "--out=out", "gone"]
    done = run("rcsr-bulk", *words, cwd=tmp_path, replaced=replaced)
    assert done.returncode == 1
    assert done.stderr.endswith(f"need pyarrow: pip install {package}.\n")
