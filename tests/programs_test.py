"""The console commands, run as a user runs them: installed, from another folder."""

import dataclasses
import importlib.util
import json
import shutil

import numpy as np
import pytest
from commands import (
    TINY,
    called_with,
    fail,
    program,
    program_that_fails,
    run,
    run_module,
    succeed,
    trained_place,
)
from jax import export

from rcsr_jax.boxes import BoxMap
from rcsr_jax.checkpoint import load_params, write_model
from rcsr_jax.confidence import MEASURED, unmeasured
from rcsr_jax.config import replace_fields
from rcsr_jax.data.annotations import read_boxes, read_pts, write_landmarks_json
from rcsr_jax.data.crops import open_cache
from rcsr_jax.data.held_out import hold_out
from rcsr_jax.data.images import load_image
from rcsr_jax.geometry import Frame, to_crop
from rcsr_jax.inference import load_predictor
from rcsr_jax.markup import FACE_68, subset
from rcsr_jax.progress import Progress, TrainResult

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return trained_place(tmp_path_factory.mktemp("user"))


def test_training_leaves_checkpoints_metrics_and_config(place):
    assert {path.name for path in (place / "run/checkpoints").iterdir()} == {"2", "4"}
    rows = (place / "run/metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "2", "4"]
    assert (
        json.loads((place / "run/config.json").read_text())["train"]["batch_size"] == 8
    )


def test_training_on_prepared_crops_gives_the_same_parameters(place):
    model = [word for word in TINY if word.split("=")[0] in ("--preset", "--crop_size")]
    options = ["--data=photos", "--boxes=photos/boxes.csv", "--out=crops"]
    said = succeed("rcsr-prepare", *model, *options, cwd=place)
    assert said.startswith("24 faces in crops, 0 refused")
    succeed("rcsr-train", *TINY, "--data=crops", "--workdir=prepared", cwd=place)
    tables = [
        (place / run / "metrics.csv").read_text().splitlines()
        for run in ("run", "prepared")
    ]
    direct, prepared = ([row.split(",")[:3] for row in table] for table in tables)
    assert direct == prepared  # all but the speed


def test_prepared_landmarks_are_taught_but_for_those_held_out(place):
    words = [word for word in TINY if word.split("=")[0] in ("--preset", "--crop_size")]
    data = ["--data=photos", "--boxes=photos/boxes.csv", "--validation_faces=8"]
    for name, more in (
        ("plain", []),
        ("taught", ["--teacher=run"]),
        ("twice", ["--teacher=run,run"]),
    ):
        succeed("rcsr-prepare", *words, *data, *more, f"--out={name}", cwd=place)
    own, taught = (open_cache(place / name) for name in ("plain", "taught"))
    assert own.names == taught.names
    held = np.isin(own.names, hold_out(own.names, count=8)[1])
    moved = np.abs(np.asarray(taught.points) - np.asarray(own.points)).max((1, 2))
    assert held.sum() == 8 and not moved[held].any() and (moved[~held] > 0).all()
    # half of the way to where the teacher, asked by itself, sees them
    where = int(np.flatnonzero(~held)[0])
    predictor = load_predictor(place / "run")
    model = dataclasses.replace(predictor.config, mirror_average=True)
    name = own.names[where]
    box = read_boxes(place / "photos/boxes.csv")[name]
    seen = dataclasses.replace(predictor, config=model)(
        load_image(place / "photos" / name), box
    ).points[0]
    frame = Frame(own.frames.corner[where], own.frames.scale[where])
    middle = (to_crop(seen, frame) + np.asarray(own.points)[where]) / 2
    np.testing.assert_allclose(np.asarray(taught.points)[where], middle, atol=2e-2)
    # the mean of one's answers and the same answers
    np.testing.assert_allclose(
        open_cache(place / "twice").points, np.asarray(taught.points), atol=1e-4
    )
    told = fail(
        "rcsr-prepare", *words, *data, "--teacher=photos", "--out=none", cwd=place
    )
    assert "photos" in told and not (place / "none").exists()
    # the same is not taught again, and what is taught is none to validate on
    again = [*words, *data, "--teacher=run", "--out=taught"]
    said = succeed("rcsr-prepare", *again, cwd=place)
    assert said.startswith("24 faces in taught, as they were prepared before")
    other = fail("rcsr-prepare", *again, "--teacher_share=1", cwd=place)
    assert "crops of other faces" in other and "taught: " not in other
    more = ["--data=taught", "--validation_faces=10", "--workdir=flattered"]
    told = fail("rcsr-train", *TINY, *more, cwd=place)
    assert "taught: 2 of the 10 faces to validate on have landmarks that a" in told


def test_what_is_there_is_not_replaced_unasked(place):
    drawn = ["--num_faces=2", "--size=64", "--out=mine"]
    (place / "mine").mkdir()
    (place / "mine/face_0001.pts").write_text("by hand")
    assert "face_0001.pts is there" in fail("rcsr-draw", *drawn, cwd=place)
    assert [p.name for p in (place / "mine").iterdir()] == ["face_0001.pts"]
    (place / "mine/face_0031.png").write_bytes(b"drawn before, of more faces")
    (place / "mine/face_front.png").write_bytes(b"of somebody")
    succeed("rcsr-draw", *drawn, "--overwrite", cwd=place)
    pictures = sorted(path.name for path in (place / "mine").glob("*.png"))
    assert pictures == ["face_0000.png", "face_0001.png", "face_front.png"]
    (place / "mine/face_front.png").unlink()

    words = ["--preset=demo", "--split=all", "--validation_faces=1", "--out=small"]
    succeed("rcsr-prepare", "--data=mine", *words, cwd=place)
    (place / "small/refused.csv.unfinished").touch()  # as one that is killed leaves it
    again = succeed("rcsr-prepare", "--data=mine", *words, cwd=place)
    assert again.startswith("2 faces")
    other = ["--data=photos", *words]
    assert "crops of other faces" in fail("rcsr-prepare", *other, cwd=place)
    assert len(open_cache(place / "small").names) == 2
    (place / "small/notes.txt").write_text("mine")
    told = fail("rcsr-prepare", *other, "--overwrite", cwd=place)
    assert "notes.txt" in told and (place / "small/notes.txt").exists()
    (place / "small/notes.txt").unlink()
    assert "24 faces" in succeed("rcsr-prepare", *other, "--overwrite", cwd=place)

    said = program_that_fails("calibrate", "--data=photos", "--out=run", cwd=place)
    assert "run exists already" in said


@pytest.mark.parametrize(
    ("flag", "reason"),
    [
        ("--place", "--place is about a teacher"),
        ("--most_apart=0.1", "--most_apart is about a teacher"),
        ("--training_faces=3", "Unknown command line flag 'training_faces'"),
        ("--last_data=photos", "Unknown command line flag 'last_data'"),
        ("--data=photos,run", "prepare data sets one by one"),
    ],
)
def test_nothing_that_is_asked_for_is_passed_over(flag, reason, place):
    told = fail("rcsr-prepare", "--data=photos", flag, "--out=none", cwd=place)
    assert reason in told and not (place / "none").exists()


def test_evaluation_writes_what_it_promises(place):
    said = succeed(
        "rcsr-evaluate",
        "--checkpoint=run",
        "--data=photos",
        "--split=all",
        "--boxes=photos/boxes.csv",
        "--gallery=2",
        "--out=judged",
        cwd=place,
    )
    assert "mean shape" in said
    metrics = json.loads((place / "judged/metrics.json").read_text())
    assert metrics["num_faces"] == 24
    assert list(metrics["by_step"]) == ["1", "2", "3", "4"]
    rows = (place / "judged/errors.csv").read_text().splitlines()
    assert len(rows) == 25
    mean = np.mean([float(row.split(",")[1]) for row in rows[1:]])
    np.testing.assert_allclose(mean, metrics["nme_interocular"], rtol=1e-4)
    for name in ("ced.png", "steps.png"):
        assert load_image(place / "judged" / name).shape[1] > 200
    report = (place / "judged/report.html").read_text(encoding="utf-8")
    assert "</html>" in report and 2 <= report.count("<figure") <= 6
    assert len(metrics["by_landmark"]) == 68 and metrics["published_sets"] == {}


def test_faces_without_eye_corners_leave_no_report_of_others(place):
    points = read_pts(place / "photos/face_0001.pts")
    points[list(FACE_68.eye_corners)] = np.nan
    (place / "blind").mkdir()
    image = (place / "photos/face_0001.png").read_bytes()
    (place / "blind/face_0001.png").write_bytes(image)
    write_landmarks_json(place / "blind/landmarks.json", {"face_0001.png": points})
    words = ["--checkpoint=run", "--data=blind", "--split=all", "--out=unmeasured"]
    out = place / "unmeasured"
    out.mkdir()
    for name in ("ced.png", "steps.png", "report.html"):
        (out / name).write_text("of other numbers")
    told = fail("rcsr-evaluate", *words, cwd=place)
    assert "unmeasured/ced.png is none of rcsr-evaluate; choose another --out" in told
    assert len(list(out.iterdir())) == 3
    (out / "metrics.json").write_text('{"made_by": {}}')
    told = fail("rcsr-evaluate", *words, cwd=place)
    assert "no face has both eye corners annotated" in told
    assert {path.name for path in out.iterdir()} == {"metrics.json", "errors.csv"}


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("rcsr-evaluate", "evaluation.evaluate"),
        ("calibrate", "annotated_faces.see_faces"),
        ("failures", "annotated_faces.see_faces"),
        ("hidden", "annotated_faces.see_faces"),
        ("robustness", "robustness.measure_robustness"),
    ],
)
def test_strict_reaches_what_looks_at_the_faces(name, function, place):
    words = ["--checkpoint=run", "--data=photos", "--split=all", f"--out=of_{name}"]
    where = f"rcsr_jax.{function}"
    for flag, strict in (("--strict", "True"), ("--nostrict", "False")):
        assert f"strict={strict}" in called_with(where, name, *words, flag, cwd=place)


def test_work_folder_checkpoint_and_export_predict_alike(place):
    succeed("rcsr-export", "--checkpoint=run", "--out=model", cwd=place)
    best = json.loads((place / "run/checkpoints/4/metrics/metrics").read_text())
    other = json.loads((place / "run/checkpoints/2/metrics/metrics").read_text())
    step = 4 if best["nme_interocular"] <= other["nme_interocular"] else 2
    photos = [f"photos/face_000{n}.png" for n in (0, 1)]
    answers = []
    for number, source in enumerate(("run", f"run/checkpoints/{step}", "model")):
        options = [f"--checkpoint={source}", "--boxes=photos/boxes.csv"]
        succeed("rcsr-predict", *options, f"--out=out{number}", *photos, cwd=place)
        answers.append(read_pts(place / f"out{number}/face_0001.pts", num_points=68))
    np.testing.assert_array_equal(answers[0], answers[1])
    np.testing.assert_array_equal(answers[0], answers[2])
    face = json.loads((place / "out0/face_0001.json").read_text())["faces"][0]
    # JSON is 0-based and so are points in memory; .pts counts from 1 on disk
    np.testing.assert_allclose(face["points"], answers[0], atol=1e-3)
    assert load_image(place / "out0/face_0001_overlay.png").shape[1] >= 96


def test_a_program_is_exported_with_its_description(place):
    said = succeed(
        "rcsr-export",
        "--checkpoint=run",
        "--num_steps=2",
        "--out=a.stablehlo",
        cwd=place,
    )
    assert said == "wrote a.stablehlo and a.json\n"
    about = json.loads((place / "a.json").read_text(encoding="utf-8"))
    assert about["steps"] == {"num_steps": 2}
    program = export.deserialize(bytearray((place / "a.stablehlo").read_bytes()))
    answer = program.call(np.zeros((3, 32, 32), np.uint8))
    assert answer["points"].shape == (3, 68, 2)
    options = ["--checkpoint=run", "--num_steps=2", "--out=parameters"]
    assert "--num_steps is for" in fail("rcsr-export", *options, cwd=place)
    options = ["--checkpoint=run", "--preset=fast", "--out=parameters"]
    assert "not both" in fail("rcsr-export", *options, cwd=place)
    options = ["--checkpoint=run", "--out=model.tflite"]
    assert "no format for model.tflite" in fail("rcsr-export", *options, cwd=place)
    assert not (place / "model.tflite").exists()
    options = ["--checkpoint=run", "--max_looks=2", "--out=b.stablehlo"]
    told = fail("rcsr-export", *options, cwd=place)
    assert "--max_looks means nothing to a program" in told


@pytest.mark.parametrize(
    ("command", "arguments", "expected"),
    [
        ("rcsr-train", ["--workdir=a", "--data=nowhere"], "nowhere: no such data"),
        ("rcsr-train", ["--workdir=b", "--data=empty"], "empty: found no annotation"),
        (
            "rcsr-train",
            ["--workdir=c", "--patch_size=5"],
            "patch_size must be at least 17",
        ),
        ("rcsr-train", ["--workdir=d", "data=x"], "unknown arguments data=x"),
        (
            "rcsr-predict",
            ["--checkpoint=photos", "--out=e", "x.png"],
            "is no checkpoint",
        ),
        ("rcsr-predict", ["--checkpoint=run", "--out=f", "x.png"], "x.png"),
        ("rcsr-predict", ["--checkpoint=run", "--out=g"], "no images"),
        (
            "rcsr-evaluate",
            ["--checkpoint=gone", "--data=drawn", "--out=h"],
            "gone does not exist",
        ),
        (
            "rcsr-evaluate",
            ["--checkpoint=run", "--out=h"],
            "error: --data is missing: Folder of annotated photos,",
        ),
        ("rcsr-train", ["--workdri=a"], "Unknown command line flag 'workdri'"),
        (
            "rcsr-evaluate",
            ["--checkpoint=run", "--data=photos", "--split=all,", "--out=h"],
            "no face in split 'all'",
        ),
        (
            "rcsr-convert",
            ["--data=gone.xml", "--out=gone.json"],
            "gone.xml: no such file",
        ),
        ("rcsr-convert", ["--data=photos", "--out=a.txt"], "no format for .txt"),
        ("rcsr-convert", ["--data=photos", "--out=photos"], "is there already"),
        ("rcsr-export", ["--checkpoint=run", "--out=photos"], "photos exists already"),
        ("rcsr-export", ["--checkpoint=run", "--out=a.json"], "no format for a.json"),
        pytest.param(
            "rcsr-demo",
            ["--checkpoint=gone"],
            "gone does not exist",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("gradio") is None,
                reason='needs gradio: pip install ".[dev]"',
            ),
        ),
    ],
)
def test_a_mistake_is_answered_with_one_line(place, command, arguments, expected):
    (place / "empty").mkdir(exist_ok=True)
    assert expected in fail(command, *arguments, cwd=place)


@pytest.mark.parametrize(
    ("options", "plan"),
    [
        ([], "preset base: 8,000 updates on 1,050 drawn faces (no --data given)"),
        (
            ["--data=drawn,photos", "--preset=demo", "--num_updates=7"],
            "preset demo: 7 updates on 1,050 drawn faces and photos",
        ),
        (
            ["--data=drawn", "--last_data=photos,drawn", "--last_updates=2000"],
            "preset base: 8,000 updates on 1,050 drawn faces, the last 2,000 on photos "
            "and 1,050 drawn faces",
        ),
    ],
)
def test_training_tells_before_the_work_what_it_trains_on(place, options, plan):
    few = ["--drawn_faces=1050", "--validation_faces=1050", "--workdir=told"]
    done = run("rcsr-train", *options, *few, cwd=place)
    said = done.stderr.splitlines()
    assert done.returncode == 1 and said[-2] == plan
    assert said[-1].endswith("got 1050: give --validation_faces=210.")


def test_a_run_with_other_settings_is_refused(place):
    data = ["--data=photos", "--boxes=photos/boxes.csv", "--workdir=run"]
    said = fail("rcsr-train", *TINY, "--learning_rate=0.5", *data, cwd=place)
    assert "learning_rate (0.002, now 0.5)" in said


def test_broken_faces_are_named_and_left_out_unless_strict(place):
    folder = place / "some_broken"
    folder.mkdir()
    for index in range(12):
        for suffix in (".png", ".pts"):
            name = f"face_{index:04d}{suffix}"
            (folder / name).write_bytes((place / "photos" / name).read_bytes())
    (folder / "face_0003.pts").write_text("version: 1\nn_points: 2\n{\n1 1\n2 2\n}\n")
    (folder / "face_0004.png").unlink()
    options = [*TINY, "--data=some_broken", "--validation_faces=2"]
    assert "face_0003" in fail(
        "rcsr-train", *options, "--strict", "--workdir=strict", cwd=place
    )
    succeed("rcsr-train", *options, "--workdir=tolerant", cwd=place)
    refused = (place / "tolerant/refused.csv").read_text()
    assert "face_0003" in refused and "face_0004" in refused


def test_landmarks_of_ones_own_need_no_code(place):
    """Every second landmark of the drawn faces, in JSON, with a markup of their own."""
    chosen = tuple(i for i in range(68) if i % 2 == 0 or FACE_68.mirror[i] % 2 == 0)
    chosen = tuple(sorted({*chosen, *FACE_68.eye_corners}))
    markup = subset(FACE_68, chosen, name="half")
    folder = place / "own"
    folder.mkdir()
    (folder / "half.json").write_text(json.dumps(markup.to_dict()))
    landmarks = {}
    for path in sorted((place / "photos").glob("*.png")):
        (folder / path.name).write_bytes(path.read_bytes())
        landmarks[path.name] = read_pts(path.with_suffix(".pts"))[list(chosen)]
    landmarks["face_0003.png"][5] = np.nan
    write_landmarks_json(folder / "landmarks.json", landmarks)

    data, options = "--data=own", ["--markup=own/half.json", "--workdir=half"]
    succeed("rcsr-train", *TINY, data, *options, cwd=place)
    succeed("rcsr-export", "--checkpoint=half", "--out=half.npz", cwd=place)
    options = ["--checkpoint=half.npz", data, "--split=all", "--out=half_judged"]
    succeed("rcsr-evaluate", *options, "--gallery=1", cwd=place)
    judged = json.loads((place / "half_judged/metrics.json").read_text())
    assert set(judged["by_region"]) == {"jaw", "brows", "nose", "eyes", "mouth"}
    assert judged["num_faces"] == 24 and judged["subsets"] == {}
    assert 0 < judged["nme_interocular"] < judged["nme_interpupil"]
    options = ["--checkpoint=half.npz", "--out=half_flicker"]
    told = program_that_fails("flicker", *options, cwd=place)
    assert "drawn faces have the 68 landmarks of 68, the model finds the" in told
    assert "of half: leave them out, --nodrawn" in told
    options = ["--checkpoint=half.npz", "--filled", "--out=half_out"]
    succeed("rcsr-predict", *options, "own/face_0001.png", cwd=place)
    found = read_pts(place / "half_out/face_0001.pts", num_points=len(chosen))
    assert np.isfinite(found).all()


def test_dlib_data_trains_as_it_is_and_moves_in_one_command(place):
    data = ["--data=photos", "--boxes=photos/boxes.csv"]
    succeed("rcsr-convert", *data, "--out=photos/faces.xml", cwd=place)
    options = ["--data=photos/faces.xml", "--workdir=dlib"]
    succeed("rcsr-train", *TINY, *options, cwd=place)
    moved = ["--data=photos/faces.xml", "--out=moved", "--copy_images"]
    succeed("rcsr-convert", *moved, cwd=place)
    for name in ("face_0003.pts", "face_0011.pts"):
        pair = [read_pts(place / folder / name) for folder in ("photos", "moved")]
        np.testing.assert_allclose(*pair, atol=0.5)
    (place / "photos/faces.xml").write_text("<dataset><images><image")
    told = fail("rcsr-convert", *moved, "--overwrite", cwd=place)
    assert "faces.xml: not an XML file" in told and "line 1" in told
    (place / "photos/faces.xml").unlink()  # other tests read this folder


def test_robustness_is_measured_for_models_side_by_side(place):
    (place / "map.json").write_text('{"shift_y": 0.5}')
    written = [
        "--checkpoint=run",
        "--out=small.npz",
        "--mirror_average",
        "--max_looks=1",
        "--mirrored_look",
    ]
    succeed("rcsr-export", *written, "--detector_boxes=map.json", cwd=place)
    model = load_params(place / "small.npz")[1].model
    assert model.mirror_average and model.mirrored_look and model.max_looks == 1
    assert model.detector_boxes == BoxMap(shift_y=0.5)
    data = ["--data=photos", "--boxes=photos/boxes.csv", "--split=all"]
    models = "--checkpoint=run,small.npz"
    said = program("robustness", *data, models, "--out=robust", cwd=place)
    assert "run, 24 faces" in said and "small.npz, 24 faces" in said
    models = json.loads((place / "robust/robustness.json").read_text())["models"]
    assert set(models) == {"run", "small.npz"}
    for model in models.values():
        assert model["num_refused"] == 0
        for what in ("shift_x", "shift_y", "scale", "degrees"):
            values = [row["value"] for row in model[what]]
            (calm,) = (row for row in model[what] if row["value"] in (0, 1))
            assert values == sorted(values) and len(values) >= 7
            assert calm == {**model["undisturbed"], "value": calm["value"], "ratio": 1}
            for row in model[what]:
                ratio = row["nme_interocular"] / calm["nme_interocular"]
                assert row["ratio"] == pytest.approx(ratio)
    assert load_image(place / "robust/robustness.png").shape[1] > 500
    missing = ["--checkpoint=gone", "--out=r"]
    told = program_that_fails("robustness", *data, *missing, cwd=place)
    assert "error: " in told and "gone does not exist" in told


@pytest.fixture(scope="module")
def wrong(place):
    """Weights of which all that is measured is wrong."""
    params, config = load_params(place / "run")
    measured = {"annotation_shift": (0.3, -0.2), "error_scale": 5.0}
    config = replace_fields(config, {**measured, "error_ratios": ()})
    write_model(place / "wrong.npz", params=params, config=config)
    return place / "wrong.npz"


def test_trust_is_measured_again_on_faces_held_out(place, wrong):
    data = [f"--checkpoint={wrong}", "--data=photos", "--boxes=photos/boxes.csv"]
    said = program("calibrate", *data, "--out=sure.npz", cwd=place)
    assert said.splitlines()[-1] == "8 faces; wrote sure.npz"  # those held out
    words = [*data, "--split=all", "--validation_faces=4", "--out=none.npz"]
    said = program_that_fails("calibrate", *words, cwd=place)
    assert "--validation_faces is about the training folders, --split=train" in said
    config = load_params(place / "sure.npz")[1]
    ratios = config.model.error_ratios
    assert len(ratios) == 68 and ratios == tuple(ratios[n] for n in FACE_68.mirror)
    # the same faces, once through cached crops and once through their boxes
    trained = load_params(place / "run")[1].model
    assert config.model.error_scale == pytest.approx(trained.error_scale, rel=0.1)
    assert config.model.annotation_shift == (0, 0)  # eight faces tell nothing of it
    before = load_params(wrong)[1]
    same = {name: getattr(before.model, name) for name in MEASURED}
    assert replace_fields(config, same).model == before.model


def test_a_model_is_measured_on_faces_that_are_annotated_otherwise(place, wrong):
    predictor = load_predictor(wrong)
    predictor = dataclasses.replace(predictor, config=unmeasured(predictor.config))
    boxes, nudged = read_boxes(place / "photos/boxes.csv"), place / "nudged"
    nudged.mkdir()
    landmarks, eyes, expected = {}, [], []
    for path in sorted((place / "photos").glob("*.png")):
        shutil.copy(path, nudged)
        seen = predictor(load_image(path), boxes[path.name])
        # 2 px to the right of where it is seen, and by turns 1 px above and below
        landmarks[path.name] = seen.points[0] + [[2, 1], [2, -1]] * 34
        eyes.append(np.linalg.norm(seen.points[0, 36] - seen.points[0, 45]))
        expected.append(seen.expected_error.mean() / eyes[-1])
    write_landmarks_json(nudged / "landmarks.json", landmarks)

    def measured(source, *, out):
        data = ["--data=nudged", "--boxes=photos/boxes.csv", "--split=all"]
        words = [f"--checkpoint={source}", *data, f"--out={out}"]
        said = program("calibrate", *words, cwd=place)
        assert said.splitlines()[-1] == f"24 faces; wrote {out}"
        return load_params(place / out)[1].model

    found = measured("wrong.npz", out="true.npz")
    right, down = found.annotation_shift
    nearness = np.mean(1 / np.array(eyes))
    assert right == pytest.approx(2 * nearness, rel=0.03)
    assert down == pytest.approx(0, abs=0.01 * right)
    assert found.error_scale == pytest.approx(nearness / np.mean(expected), rel=0.05)
    # up and down is along the jaw beside the ear, and across it at the chin
    assert found.error_ratios[0] > 2 and found.error_ratios[8] < 0.5
    again = measured("true.npz", out="true_again.npz")
    for name in MEASURED:
        np.testing.assert_allclose(
            getattr(again, name), getattr(found, name), rtol=2e-3, atol=1e-4
        )


def test_faces_that_a_model_was_trained_on_are_told(place):
    params, config = load_params(place / "run")
    config = replace_fields(config, {"data": "drawn,photos"})
    write_model(place / "two.npz", params=params, config=config)
    words = ["--checkpoint=two.npz", "--data=photos", "--out=two_sure.npz"]
    done = run_module("calibrate", *words, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "note: the model was trained on all faces of photos, those" in done.stderr


def test_trust_is_judged_on_hard_faces(place):
    data = ["--checkpoint=run", "--data=photos", "--boxes=photos/boxes.csv"]
    said = program(
        "failures", *data, "--split=all", "--copies=2", "--out=hard", cwd=place
    )
    found = json.loads((place / "hard/failures.json").read_text())
    assert found["num_faces"] + found["num_refused"] == 48
    assert f"{found['num_faces']} faces, {found['nme_interocular']:.2f} %" in said
    for order in found["orders"].values():
        assert order["kept"]["100"] == pytest.approx(found["nme_interocular"])
        assert order["area"] >= found["orders"]["best possible"]["area"]
    assert load_image(place / "hard/failures.png").shape[1] > 500


def test_errors_are_told_apart_for_what_is_hidden(place):
    options = ["--checkpoint=run", "--data=photos", "--boxes=photos/boxes.csv"]
    said = program("hidden", *options, "--split=all", "--out=hidden", cwd=place)
    found = json.loads((place / "hidden/hidden.json").read_text())
    nothing, left, right, *_ = found["rows"]
    assert found["num_faces"] == 24 and nothing["hidden_share"] == 0
    assert nothing["hidden_true"] is None  # no landmark to measure
    assert f"| nothing | 0.00 | — | — | {nothing['seen_expected']:.2f} |" in said
    for half in (left, right):
        assert 25 < half["hidden_share"] < 75
        assert half["hidden_true"] > 0 and half["hidden_expected"] > 0


def test_flicker_is_measured(place):
    shutil.copytree(place / "photos", place / "filmed")
    (place / "filmed/face_0002.pts").write_text("torn")
    options = ["--checkpoint=run", "--num_clips=9", "--num_frames=2", "--out=flicker"]
    options += ["--photos=filmed", "--boxes=filmed/boxes.csv"]
    done = run_module("flicker", *options, cwd=place)
    assert done.returncode == 0, done.stderr
    assert "left out face_0002.png: " in done.stderr
    report = json.loads((place / "flicker/flicker.json").read_text())
    # as many as the run held out
    kinds = {"panned astronaut": 9, "panned photos": 8, "drawn faces": 9}
    assert list(report["results"]) == list(kinds) and report["clips"] == kinds
    for methods in report["results"].values():
        assert list(methods) == ["frame by frame", "tracked", "tracked, 1 euro"]
        assert methods["frame by frame"]["flicker"] > 0
    table = (place / "flicker/flicker.md").read_text().splitlines()
    assert len(table) == 2 + 3 * 3


def diverging(config, *, workdir, on_progress, should_stop):
    """Stands in for a run whose loss is no number, ended before its first validation."""
    started = Progress("train", 0, 9)
    on_progress(started._replace(checkpoint=True))
    known = {"faces_per_second": 8.0, "seconds_left": 61.0, "compile_seconds": 2.0}
    on_progress(started._replace(done=4, checkpoint=True, **known))
    found = {"loss": 0.5, "nme": 3.25, "baseline_nme": 9.0}
    on_progress(started._replace(done=8, checkpoint=True, **known, **found))
    return TrainResult(4, False, float("nan"), 9.0, num_faces=20, num_refused=0)


def test_what_a_run_does_not_know_yet_it_does_not_tell(tmp_path):
    words = ["rcsr-train", "--data=drawn", "--workdir=run"]
    replaced = {"rcsr_jax.experiments.train.train": diverging}
    done = run(*words, cwd=tmp_path, replaced=replaced)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[2:] == [
        "update 0 of 9: compiling",
        "first update, with its compilation: 2.0 s",
        "update 4 of 9: loss nan, 8 faces/s, 1:01 left",
        "update 8 of 9: loss 0.5000, validation NME 3.25 % inter-ocular (mean shape "
        "9.00 %), 8 faces/s, 1:01 left",
        "stopped after 4 updates on 20 faces",
        "run the same command again to go on",
    ]
