"""The speed program: its timing, its sums, its files; and dlib's trainer beside it."""

import importlib.util
import json

import numpy as np
import pytest
from commands import run_module
from rcsr_jax.experiments import peers, ratios, rows, shares, timing

from rcsr_jax.config import preset
from rcsr_jax.costs import static_costs
from rcsr_jax.data.images import load_image

SLOW = pytest.mark.slow


class Clock:
    """Time that passes only where a call says so."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        self.calls: list[str] = []
        monkeypatch.setattr(timing.time, "perf_counter", lambda: self.now)

    def row(self, name: str, *, costs: list[float], **options) -> timing.Row:
        """A row whose calls take these times, the last of them again and again."""
        left = list(costs)

        def call():
            self.calls.append(name)
            self.now += left.pop(0) if len(left) > 1 else left[0]

        return timing.Row({"name": name}, call, **{"faces": 1, **options})


def test_rows_take_turns_and_slow_ones_stop_at_three_calls(monkeypatch):
    clock = Clock(monkeypatch)
    quick = clock.row("quick", costs=[0.25])
    slow = clock.row("slow", costs=[2.0, 8.0, 1.0, 5.0], faces=4)
    timing.time_interleaved([quick, slow], repeats=5, seconds=1.5)
    assert clock.calls == ["quick", "slow"] * 3 + ["quick"] * 2
    assert slow.seconds == [2.0, 8.0, 1.0]
    assert slow.median == 2.0 and slow.milliseconds_per_face == 500.0
    assert quick.seconds == [0.25] * 5


def test_fewer_repeats_than_three_are_granted(monkeypatch):
    clock = Clock(monkeypatch)
    timing.time_interleaved([clock.row("a", costs=[9.0])], repeats=1, seconds=0.0)
    assert clock.calls == ["a"]


def test_larger_batches_are_left_out_where_a_call_would_take_too_long(monkeypatch):
    clock = Clock(monkeypatch)
    group = [
        clock.row("1", costs=[0.5], always=False),
        clock.row("8", costs=[4.0], faces=8, always=False),
        clock.row("32", costs=[16.0], faces=32),
        clock.row("64", costs=[32.0], faces=64, always=False),
    ]
    other = [clock.row("64, quick", costs=[1.0], faces=64, always=False)]
    kept = timing.warm_up([group, other], longest=8.0)
    assert [row.fields["name"] for row in kept] == ["1", "8", "32", "64, quick"]


def test_compilation_is_timed_apart_and_a_slow_first_call_counts(monkeypatch):
    clock = Clock(monkeypatch)

    def prepare():
        clock.now += 7.0
        return {"program_megabytes": 3}

    quick = clock.row("quick", costs=[0.5, 0.25], prepare=prepare)
    slow = clock.row("slow", costs=[6.0], prepare=prepare)
    timing.warm_up([[quick, slow]], longest=8.0)
    assert quick.compile_seconds == slow.compile_seconds == 7.0
    assert quick.seconds == [] and slow.seconds == [6.0]
    assert quick.fields["program_megabytes"] == 3


def prediction(num_steps: int, milliseconds: float) -> timing.Row:
    fields = {"preset": "base", "sampling": "planes", "batch": 8}
    row = timing.Row({**fields, "num_steps": num_steps}, lambda: None, faces=8)
    row.seconds = [8e-3 * milliseconds]
    return row


def test_parts_are_the_line_through_few_and_many_steps():
    """Features of 2 ms and 0.5 ms a step; the time between does not count."""
    timed = [prediction(1, 2.5), prediction(13, 8.5), prediction(5, 4.0)]
    rate = 20e9
    (part,) = shares.parts(timed, rate)
    assert part["milliseconds_before_steps"] == pytest.approx(2.0)
    assert part["milliseconds_per_step"] == pytest.approx(0.5)
    costs = static_costs(preset("base").model, num_steps=1)
    features = costs.features
    assert costs.total == features + costs.step
    assert part["share_before_steps"] == pytest.approx(features / 2e-3 / rate)
    assert part["share_of_step"] == pytest.approx(costs.step / 0.5e-3 / rate)
    whole = shares.shares(timed[:1], rate)[0]
    assert whole["share"] == pytest.approx(costs.total / 2.5e-3 / rate)
    assert (whole["batch"], whole["num_steps"]) == (8, 1)


def test_times_are_told_as_multiples_of_the_quickest_peer():
    ours = {"preset": "fast", "sampling": "planes", "batch": 8, "num_steps": 5}
    timed = [
        {"name": "rcsr_jax", **ours, "milliseconds_per_face": 1.5},
        {"name": "rcsr_jax with cropping", **ours, "milliseconds_per_face": 0.25},
    ]
    assert [row["ratio"] for row in ratios.with_ratios(timed)] == [6, 1]
    assert ratios.told_reference(timed) == (
        "times x: as multiples of rcsr_jax with cropping fast planes, batch 8, steps 5"
    )
    peer = {"name": "dlib", "preset": "", "sampling": "", "batch": 1, "num_steps": 10}
    timed.append({**peer, "milliseconds_per_face": 0.5})
    assert [row["ratio"] for row in ratios.with_ratios(timed)] == [3, 0.5, 1]
    assert ratios.told_reference(timed) == (
        "times x: as multiples of dlib, batch 1, steps 10"
    )
    assert ratios.with_ratios([]) == []


def test_a_part_that_drowns_in_noise_has_no_share():
    (part,) = shares.parts([prediction(1, 3.0), prediction(13, 2.0)], 1e9)
    assert part["milliseconds_per_step"] < 0 and part["share_of_step"] is None
    assert shares.parts([prediction(5, 1.0)], 1e9) == []


def test_the_paper_is_measured_in_its_own_order_alone():
    assert rows.samplings_of("paper", ["planes", "patches"]) == ["patches"]
    assert rows.samplings_of("paper", ["planes"]) == []
    assert rows.samplings_of("demo", ["planes", "patches"]) == ["planes", "patches"]


def test_what_sees_the_whole_crop_has_planes_alone():
    assert rows.samplings_of("base", ["planes", "patches"]) == ["planes"]


def test_photos_for_peers_hold_boxes_of_two_hundred_pixels():
    for image, box in peers.photos():
        assert image.ndim == 2 and image.dtype == np.uint8
        assert np.mean(box[2:] - box[:2]) == pytest.approx(200, abs=4)


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r'predictor needs dlib: pip install "rcsr-jax'
    ):
        peers.dlib_rows("x.dat")


@SLOW
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out=speed.png"], "--out is a .json file, a .png goes beside it"),
        (["--presets=demo", "--one_core=fast"], "--one_core names fast, which"),
    ],
)
def test_what_cannot_be_written_or_measured_is_told_at_once(words, message, tmp_path):
    done = run_module("benchmark", *words, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr
    assert not list(tmp_path.iterdir())


@SLOW
def test_the_benchmark_prints_draws_and_saves_its_rows(tmp_path):
    words = ["--presets=demo", "--samplings=planes", "--batches=1", "--repeats=1"]
    words += ["--train_batch=2", "--one_core=demo", "--out=speed.json"]
    done = run_module("benchmark", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ms per face" in done.stdout and "faces/s" in done.stdout
    assert done.stdout.count("times x: as multiples of rcsr_jax") == 2
    saved = json.loads((tmp_path / "speed.json").read_text())
    keys = [
        (row["name"], row["preset"], row["sampling"], row["batch"], row["num_steps"])
        for row in saved["predict"]
    ]
    assert keys == [
        ("rcsr_jax", "demo", "planes", batch, steps)
        for steps in (1, 5, 13)
        for batch in (1, 32)
    ]
    for row in saved["predict"]:
        assert row["milliseconds_per_face"] > 0 and row["compile_seconds"] > 0.05
        assert row["program_megabytes"] > 0 and row["threads"] >= 1
    assert min(row["ratio"] for row in saved["predict"]) == 1
    (trained,) = saved["train"]
    assert (trained["preset"], trained["sampling"], trained["num_steps"]) == (
        "demo",
        "planes",
        5,
    )
    assert trained["faces_per_second"] > 0 and trained["compile_seconds"] > 0
    assert len(saved["share_of_matmul_rate"]) == 6
    rate = saved["matmul_gigamacs_per_second"] * 1e9
    for share, row in zip(saved["share_of_matmul_rate"], saved["predict"], strict=True):
        needed = static_costs(preset("demo").model, num_steps=row["num_steps"]).total
        seconds = 1e-3 * row["milliseconds_per_face"]
        assert share["share"] == pytest.approx(needed / seconds / rate)
        assert (
            share["share"] > 0
        )  # may pass 1 where the machine is busy with other work
    assert [part["batch"] for part in saved["parts"]] == [1, 32]
    assert saved["machine"]["cores"] >= 1
    assert saved["memory"]["peak_resident_megabytes"] > 100
    alone = saved["one_core"]
    assert alone["machine"]["cores"] == 1 and alone["train"] == []
    assert {row["name"] for row in alone["predict"]} == {
        "rcsr_jax",
        "rcsr_jax with cropping",
    }
    assert {row["threads"] for row in alone["predict"]} == {1}
    assert load_image(tmp_path / "speed.png").shape[1] > 600


@SLOW
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("--batches=1,many", "--batches takes whole numbers"),
        ("--steps=0", "--steps must be at least 1"),
        ("--presets=huge", "preset must be one of"),
        ("--dlib_model=none.dat", "dlib"),
    ],
)
def test_a_mistake_is_answered_with_one_line(word, expected, tmp_path):
    done = run_module("benchmark", "--presets=demo", word, cwd=tmp_path)
    assert done.returncode == 1
    assert expected in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("out", "told"),
    [("faces.dat", "faces.json is there already"), ("ert.json", "are a .dat file")],
)
def test_trees_replace_no_annotation(out, told, tmp_path):
    pytest.importorskip("dlib")
    (tmp_path / "faces.json").write_text('{"a.png": [[1, 2]]}')
    done = run_module("ert", "--data=faces.json", f"--out={out}", cwd=tmp_path)
    assert done.returncode == 1 and told in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["faces.json"]


@pytest.mark.parametrize(
    "flag", ["--cascade=3", "--nomirror", "--seed=0", "--split=train"]
)
def test_trees_that_are_there_take_no_flags_of_training(flag, tmp_path):
    pytest.importorskip("dlib")
    (tmp_path / "ert.dat").touch()
    words = ["--data=drawn", "--out=ert.dat", flag]
    done = run_module("ert", *words, cwd=tmp_path)
    name = flag.removeprefix("--").removeprefix("no").split("=")[0]
    assert done.returncode == 1
    assert f"ert.dat is there already and is not trained again, so --{name}" in (
        done.stderr
    )


def test_trees_that_cannot_be_saved_are_told_in_one_line(tmp_path):
    pytest.importorskip("dlib")
    (tmp_path / "ert.dat").symlink_to("gone/ert.dat")
    words = ["--data=drawn", "--drawn_faces=4", "--cascade=1", "--trees=2"]
    done = run_module("ert", *words, "--out=ert.dat", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: ert.dat cannot be written: " in done.stderr


@SLOW
def test_dlib_is_trained_judged_and_timed(tmp_path):
    pytest.importorskip("dlib")
    data = ["--data=drawn", "--drawn_faces=40", "--out=ert.dat"]
    small = ["--cascade=3", "--trees=40", "--oversampling=5", "--jitter=0.02"]
    done = run_module("ert", *data, *small, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    told = json.loads((tmp_path / "ert.json").read_text())
    assert told["training_faces"] == told["num_faces"] == 40
    assert told["options"]["cascade_depth"] == 3
    # inter-ocular; that of the mean shape is 20 per cent
    assert 3 < told["nme_interocular"] < 16
    assert told["nme_interocular"] < told["nme_interpupil"] < 23
    assert set(told["subsets"]) == {"51", "49"}

    before = (tmp_path / "ert.dat").read_bytes()
    done = run_module("ert", *data, "--test_split=train", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    again = json.loads((tmp_path / "ert.json").read_text())
    assert (tmp_path / "ert.dat").read_bytes() == before
    for name in ("options", "mirror", "training_faces", "training_seconds"):
        assert again[name] == told[name]
    assert again["nme_interocular"] < told["nme_interocular"]  # it has seen these

    (row,) = peers.dlib_rows(str(tmp_path / "ert.dat"))
    row.repeat()
    assert row.fields["threads"] == 1 and 0 < row.milliseconds_per_face < 100
    (tmp_path / "broken.dat").write_bytes(b"no trees")
    with pytest.raises(ValueError, match=r"broken.dat is no dlib shape predictor"):
        peers.dlib_rows(str(tmp_path / "broken.dat"))
