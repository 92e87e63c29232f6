"""The files beside a run's checkpoints: written, cut back and compared."""

import csv
import json

import numpy as np
import pytest

from rcsr_jax.config import RunConfig, preset, replace_fields
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.geometry import Frame
from rcsr_jax.markup import FACE_51
from rcsr_jax.progress import Progress
from rcsr_jax.records import (
    RESUMABLE,
    MetricsTable,
    check_same_faces,
    check_same_run,
    environment_change,
    write_config,
    write_refused,
)


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def done(step, *, loss=0.5, nme=5.0, speed=50.0, skipped=0):
    return Progress(
        "train",
        step,
        1000,
        loss=loss,
        nme=nme,
        faces_per_second=speed,
        skipped=skipped,
    )


def test_a_new_table_begins_with_its_header(tmp_path, monkeypatch):
    clock = iter([3.0, 10.5, 20.25])
    monkeypatch.setattr("rcsr_jax.records.time.process_time", lambda: next(clock))
    table = MetricsTable(tmp_path, upto=0)
    table.add(done(250, loss=0.123456789, nme=7.65432, speed=98.76, skipped=0))
    table.add(done(500, loss=0.1, nme=6.5, speed=100.0, skipped=2))
    names = "step,loss,nme_interocular,faces_per_second,skipped,cpu_seconds"
    assert rows_of(tmp_path / "metrics.csv") == [
        names.split(","),
        ["250", "0.123457", "7.6543", "98.8", "0", "7.500"],
        ["500", "0.100000", "6.5000", "100.0", "2", "17.250"],
    ]


def test_processor_time_goes_on_from_the_start_before(tmp_path, monkeypatch):
    clock = iter([3.0, 10.0, 30.0, 1.0, 6.0])
    monkeypatch.setattr("rcsr_jax.records.time.process_time", lambda: next(clock))
    table = MetricsTable(tmp_path, upto=0)
    table.add(done(250))
    table.add(done(500))  # its checkpoint is not whole when it resumes
    MetricsTable(tmp_path, upto=250).add(done(500))
    spent = [row[-1] for row in rows_of(tmp_path / "metrics.csv")[1:]]
    assert spent == ["7.000", "12.000"]


def test_a_run_of_an_earlier_version_goes_on(tmp_path, monkeypatch):
    clock = iter([3.0, 5.0])
    monkeypatch.setattr("rcsr_jax.records.time.process_time", lambda: next(clock))
    old = "step,loss,nme_interocular,faces_per_second,skipped\n250,0.5,5.0,50.0,9\n"
    (tmp_path / "metrics.csv").write_text(old)
    MetricsTable(tmp_path, upto=250).add(done(500))
    assert [row[4:] for row in rows_of(tmp_path / "metrics.csv")] == [
        ["skipped", "cpu_seconds"],
        ["9", ""],
        ["0", "2.000"],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "step;loss\n250;0.1\n",
        "step,loss\n250.0,0.1\n",
        'step,loss\n250,"0.1\n500,0.1\n',  # all behind it would be one field
    ],
)
def test_a_damaged_table_is_named_with_a_remedy(text, tmp_path):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(ValueError, match=r"metrics.csv is damaged: .* or delete it"):
        MetricsTable(tmp_path, upto=500)
    assert (tmp_path / "metrics.csv").read_text() == text


@pytest.mark.parametrize(
    ("upto", "kept"), [(0, []), (249, []), (250, [250]), (600, [250, 500])]
)
def test_rows_of_undone_updates_go_when_a_run_resumes(upto, kept, tmp_path):
    table = MetricsTable(tmp_path, upto=0)
    for step in (250, 500, 750):
        table.add(done(step))
    before = rows_of(tmp_path / "metrics.csv")
    resumed = MetricsTable(tmp_path, upto=upto)
    rows = rows_of(tmp_path / "metrics.csv")
    assert rows == before[: len(kept) + 1]
    assert [int(row[0]) for row in rows[1:]] == kept
    resumed.add(done(upto + 1, loss=0.4, nme=4.0, speed=40.0, skipped=0))
    assert rows_of(tmp_path / "metrics.csv")[-1][0] == str(upto + 1)


def test_a_row_that_was_being_written_is_dropped(tmp_path):
    table = MetricsTable(tmp_path, upto=0)
    table.add(done(250))
    whole = (tmp_path / "metrics.csv").read_bytes()
    for part in (b"5", b"500,0.1", b"500,0.100000,6.5000,100.0,0,3."):
        (tmp_path / "metrics.csv").write_bytes(whole + part)
        MetricsTable(tmp_path, upto=600)
        assert (tmp_path / "metrics.csv").read_bytes() == whole


@pytest.mark.parametrize("name", ["config.json", "refused.csv", "metrics.csv"])
def test_a_full_disk_is_told_by_the_name_of_the_file(name, tmp_path):
    (tmp_path / f"{name}.unfinished").symlink_to("/dev/full")
    writes = {
        "config.json": lambda: write_config(tmp_path, RunConfig()),
        "refused.csv": lambda: write_refused(tmp_path, []),
        "metrics.csv": lambda: MetricsTable(tmp_path, upto=0),
    }
    (tmp_path / name).write_text("as it was\n")
    with pytest.raises(ValueError, match=f"{name} cannot be written: No space left"):
        writes[name]()
    assert (tmp_path / name).read_text() == "as it was\n"


def test_a_row_that_does_not_fit_is_told(tmp_path):
    table = MetricsTable(tmp_path, upto=0)
    (tmp_path / "metrics.csv").unlink()
    (tmp_path / "metrics.csv").symlink_to("/dev/full")
    with pytest.raises(ValueError, match=r"metrics.csv cannot be written: No space"):
        table.add(done(250))


def test_refusals_are_listed_with_their_reasons(tmp_path):
    write_refused(tmp_path, [Refusal("a/é, 1.png", 'it says "no", twice\nover')])
    assert rows_of(tmp_path / "refused.csv") == [
        ["name", "reason"],
        ["a/é, 1.png", 'it says "no", twice\nover'],
    ]
    write_refused(tmp_path, [])
    assert rows_of(tmp_path / "refused.csv") == [["name", "reason"]]


@pytest.mark.parametrize("run", [RunConfig(), preset("paper")])
def test_the_same_run_goes_on(run, tmp_path):
    run = replace_fields(run, {"markup": FACE_51})
    write_config(tmp_path, run)
    assert (
        json.loads((tmp_path / "config.json").read_text())["model"]["crop_size"] == 96
    )
    check_same_run(tmp_path, run, resuming=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 64}, r"other settings: batch_size \(32, now 64\)\. Give it"),
        ({"crop_size": 128}, r"crop_size \(96, now 128\)"),
        ({"cell": "gru"}, r"cell \('conv_gru', now 'gru'\)"),
        ({"data": "x"}, r"data \('drawn', now 'x'\)"),
        ({"mirror": 0.0}, r"mirror \(0.5, now 0.0\)"),
        (
            {"seed": 1, "loss": "l2", "strict": True},
            r"seed .*, loss \('l1', now 'l2'\)\.",
        ),
    ],
)
def test_a_changed_run_is_refused_by_its_settings(changes, message, tmp_path):
    write_config(tmp_path, RunConfig())
    other = replace_fields(RunConfig(), changes)
    with pytest.raises(ValueError, match=message) as caught:
        check_same_run(tmp_path, other, resuming=True)
    assert str(tmp_path) in str(caught.value) and "strict" not in str(caught.value)
    check_same_run(tmp_path, other, resuming=False)  # nothing there to go on from


@pytest.mark.parametrize(("num_updates", "told"), [(7000, True), (5000, False)])
def test_a_run_of_more_updates_is_told_how_to_train_on(num_updates, told, tmp_path):
    write_config(tmp_path, RunConfig())
    longer = replace_fields(RunConfig(), {"num_updates": num_updates})
    with pytest.raises(ValueError, match=rf"\(6000, now {num_updates}\)") as caught:
        check_same_run(tmp_path, longer, resuming=True)
    remedy = (
        f"another workdir. To train on from it, give the other --init_from={tmp_path}."
    )
    assert str(caught.value).endswith(remedy) == told


def faces(*numbers, moved=0.0):
    """Faces of these numbers, one landmark of the last one moved."""
    points = np.random.default_rng(0).uniform(10, 90, (9, 5, 2)).astype(np.float32)
    points[0, 1] = np.nan  # not annotated
    points[numbers[-1], 3, 0] += moved
    frames = Frame(np.zeros((9, 2)), np.ones(9), np.zeros(9))
    names = tuple(f"{number}.png" for number in range(9))
    every = CropCache(np.zeros((9, 4, 4), np.uint8), points, frames, names, ())
    return every.take(numbers)


@pytest.mark.parametrize(
    ("now", "others"),
    [
        (((0, 1, 2), (3,)), ""),
        (((0, 1, 2, 4), (3,)), "3 training and 1 validation faces; now there are 4 tr"),
        (((0, 1, 3), (2,)), "3 training and 1 validation faces; now there are 3 tr"),
    ],
)
def test_a_run_goes_on_with_the_faces_that_it_began_with(now, others, tmp_path):
    def check(parts, *, moved=0.0, resuming):
        named = {
            "training": faces(*parts[0], moved=moved),
            "validation": faces(*parts[1]),
        }
        check_same_faces(tmp_path, named, data="DATA", resuming=resuming)

    begun = ((0, 1, 2), (3,))
    check(now, resuming=True)  # nothing is known yet, as in a run of an earlier version
    check(begun, resuming=False)
    if others:
        with pytest.raises(ValueError, match=f"DATA does not hold .*{others}"):
            check(now, resuming=True)
    check(begun, moved=1e-6, resuming=True)  # no more than a last digit
    with pytest.raises(ValueError, match="or other landmarks.*--init_from"):
        check(begun, moved=0.01, resuming=True)
    (tmp_path / "faces.json").write_text("{}")
    with pytest.raises(ValueError, match=r"faces.json is damaged \('training'\)"):
        check(begun, resuming=True)


def test_what_does_not_change_the_result_may_change(tmp_path):
    write_config(tmp_path, RunConfig())
    changes = {"max_seconds": 60.0, "eval_every": 10, "strict": True}
    changes["stream_faces"] = "always"
    assert set(changes) == RESUMABLE
    check_same_run(tmp_path, replace_fields(RunConfig(), changes), resuming=True)


def test_faces_that_are_known_may_lie_elsewhere(tmp_path):
    run = replace_fields(RunConfig(), {"data": "/home/faces", "init_from": "base"})
    moved = replace_fields(run, {"data": "faces", "boxes": "b.csv", "init_from": ""})
    write_config(tmp_path, run)
    with pytest.raises(ValueError, match="data .*boxes .*init_from"):
        check_same_run(tmp_path, moved, resuming=True)  # a run of an earlier version
    parts = {"training": faces(0, 1), "validation": faces(2)}
    check_same_faces(tmp_path, parts, data="faces", resuming=False)
    check_same_run(tmp_path, moved, resuming=True)
    other = replace_fields(moved, {"seed": 3})
    with pytest.raises(ValueError, match=r"other settings: seed \(0, now 3\)\."):
        check_same_run(tmp_path, other, resuming=True)


@pytest.mark.parametrize("text", ["null", "[1]", '{"jax": ', "7"])
def test_a_damaged_environment_is_no_obstacle(text, tmp_path):
    (tmp_path / "environment.json").write_text(text)
    assert environment_change(tmp_path) == ""
    assert environment_change(tmp_path) == ""  # written anew, and nothing has changed


def test_a_work_folder_without_a_config_is_no_obstacle(tmp_path):
    check_same_run(tmp_path, RunConfig(), resuming=True)


@pytest.mark.parametrize("text", ["", '{"model": ', "[]", "7", '{"speed": {}}'])
def test_a_damaged_config_is_named(text, tmp_path):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(
        ValueError, match=r"config.json is damaged .*take a new workdir"
    ):
        check_same_run(tmp_path, RunConfig(), resuming=True)


OWN = ("config.json", "environment.json", "faces.json", "metrics.csv", "refused.csv")


@pytest.mark.parametrize("name", OWN)
@pytest.mark.parametrize(
    "text", ['{"a.png": [[1, 2], [3, 4]]}', "image,x\na.png,1\n", ""]
)
def test_a_run_replaces_no_file_that_no_run_wrote(name, text, tmp_path):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name} is not of a run, .*another workdir"):
        check_same_run(tmp_path, RunConfig(), resuming=False)
    assert (tmp_path / name).read_text(encoding="utf-8") == text


def test_a_run_replaces_what_an_earlier_one_left(tmp_path):
    named = {"training": faces(0, 1), "validation": faces(2)}
    check_same_faces(tmp_path, named, data="photos", resuming=False)
    write_refused(tmp_path, [])
    write_config(tmp_path, RunConfig())
    environment_change(tmp_path)
    MetricsTable(tmp_path, upto=0)
    assert sorted(path.name for path in tmp_path.iterdir()) == list(OWN)
    check_same_run(tmp_path, preset("fast"), resuming=False)
