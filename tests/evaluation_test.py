"""What metrics.json says is what the metrics say of the predictor's answers."""

import itertools
import json
import math

import jax
import numpy as np
import pytest
import tiny

from rcsr_jax.annotated_faces import see_faces
from rcsr_jax.boxes import BoxMap
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.evaluation import evaluate, metrics_of
from rcsr_jax.geometry import frame_of_box, to_photo
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.summaries import summarise, summarise_subsets

PREDICTOR = Predictor(tiny.make_params(), tiny.CONFIG)
MARKUP = tiny.CONFIG.markup
SUMMARY = {
    "num_faces",
    "num_measured",
    "nme_interocular",
    "nme_interpupil",
    "nme_box",
    "auc_08",
    "failure_rate_08",
    "num_steps_mean",
}


def drawn(index: int) -> Source:
    def load():
        face = draw_face(3, index)
        return face.image, face.points, face.box

    return Source(f"drawn_{index}", load, stamp="1")


def torn(name: str) -> Source:
    def load():
        raise ValueError("the photo is torn")

    return Source(name, load, stamp="1")


def outside(name: str) -> Source:
    def load():
        image, points, _ = drawn(0).load()
        return image, points, np.array([5000, 5000, 5100, 5100])

    return Source(name, load, stamp="1")


@pytest.fixture(scope="module")
def sources():
    return [drawn(0), torn("torn"), drawn(1), outside("outside"), drawn(2)]


@pytest.fixture(scope="module")
def evaluation(sources):
    return evaluate(PREDICTOR, sources)


@pytest.fixture(scope="module")
def metrics(evaluation):
    return metrics_of(evaluation, predictor=PREDICTOR)


@pytest.fixture(scope="module")
def truth():
    return np.stack([drawn(index).load()[1] for index in range(3)])


def one_by_one(num_steps: int | None) -> list:
    loaded = (drawn(index).load() for index in range(3))
    return [PREDICTOR(image, box, num_steps=num_steps) for image, _, box in loaded]


def assert_summary(found: dict, points, truth) -> None:
    expected = summarise(points, truth, markup=MARKUP)
    subsets = summarise_subsets(points, truth, markup=MARKUP)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-4), name
    assert set(found["subsets"]) == set(subsets) == {"51", "49"}
    for subset, numbers in subsets.items():
        for name, value in numbers.items():
            assert found["subsets"][subset][name] == pytest.approx(value, rel=1e-4)


def test_an_evaluation_holds_the_faces_that_can_be_used(evaluation, truth):
    assert evaluation.names == ("drawn_0", "drawn_1", "drawn_2")
    np.testing.assert_array_equal(evaluation.truth, truth)
    boxes = [drawn(index).load()[2] for index in range(3)]
    np.testing.assert_array_equal(evaluation.boxes, boxes)
    assert evaluation.fixed.shape == (4, 3, 68, 2)
    assert evaluation.milliseconds_per_face > 0


def test_faces_that_cannot_be_used_are_named(evaluation, metrics):
    assert evaluation.refused[0] == ("torn", "the photo is torn")
    name, reason = evaluation.refused[1]
    assert name == "outside" and "outside the image" in reason
    assert metrics["num_refused"] == 2 and metrics["num_faces"] == 3


def test_every_face_counts_as_progress(sources):
    seen = []
    evaluate(PREDICTOR, sources, on_progress=lambda *count: seen.append(count))
    assert seen == [(n, 5) for n in range(1, 6)]


def test_strict_looks_end_at_the_first_face_that_fails():
    seen = []
    with pytest.raises(ValueError, match="^b: the photo is torn"):
        see_faces(
            PREDICTOR,
            [drawn(0), torn("b"), torn("c"), drawn(1)],
            strict=True,
            on_progress=lambda *count: seen.append(count),
        )
    assert seen == [(1, 4)]


def test_faces_that_all_fail_are_an_error():
    with pytest.raises(
        ValueError, match="none of 2 faces .*: a: the photo is torn; b:"
    ):
        evaluate(PREDICTOR, [torn("a"), torn("b")])
    with pytest.raises(ValueError, match="none of 0 faces"):
        evaluate(PREDICTOR, [])


def test_metrics_hold_what_is_promised(metrics):
    assert SUMMARY | {
        "milliseconds_per_face",
        "settled_share",
        "num_refused",
        "by_step",
        "subsets",
        "mean_shape",
    } <= set(metrics)
    assert list(metrics["by_step"]) == ["1", "2", "3", "4"]
    for step, numbers in metrics["by_step"].items():
        assert set(numbers) >= SUMMARY | {"subsets", "milliseconds_per_face"}
        assert numbers["milliseconds_per_face"] > 0
        assert numbers["num_steps_mean"] == int(step)
    plain = json.loads(json.dumps(metrics))
    assert plain.keys() == metrics.keys()
    assert all(
        math.isfinite(metrics[name]) for name in SUMMARY | {"milliseconds_per_face"}
    )


@pytest.mark.parametrize("step", [1, 4])
def test_each_step_is_a_fixed_number_of_recurrences(step, metrics, truth):
    points = np.concatenate([faces.points for faces in one_by_one(step)])
    assert_summary(metrics["by_step"][str(step)], points, truth)


def test_the_main_numbers_are_of_adaptive_prediction(metrics, truth):
    answers = one_by_one(None)
    points = np.concatenate([a.points for a in answers])
    assert_summary(metrics, points, truth)
    # circles, for this model has measured no ratios
    reach = np.concatenate([a.expected_error for a in answers])
    apart = np.linalg.norm(points - truth, axis=-1)
    trust = metrics["trust"]
    inside = (apart <= reach).mean(), (apart <= 2 * reach).mean()
    assert trust["inside_ellipses"] == pytest.approx(100 * inside[0])
    assert trust["inside_ellipses_twice_as_large"] == pytest.approx(100 * inside[1])
    steps = [int(answer.num_steps[0]) for answer in answers]
    assert metrics["num_steps_mean"] == pytest.approx(np.mean(steps))
    settled = [bool(answer.settled[0]) for answer in answers]
    assert metrics["settled_share"] == pytest.approx(np.mean(settled))


def test_the_baseline_is_the_mean_shape_in_each_box(metrics, truth):
    boxes = np.stack([drawn(index).load()[2] for index in range(3)])
    frames = frame_of_box(boxes, frame_scale=tiny.CONFIG.frame_scale, size=32)
    points = to_photo(np.stack([tiny.mean_shape()] * 3), frames).astype(np.float32)
    assert_summary(metrics["mean_shape"], points, truth)


def test_a_shift_of_the_whole_annotation_is_told(evaluation):
    faces, truth = evaluation.adaptive, np.tile(evaluation.adaptive.points, (8, 1, 1))
    eyes = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=-1)[:, None, None]
    many = evaluation._replace(
        names=evaluation.names * 8,
        truth=truth + eyes * np.float32([0.02, -0.01]),
        mean_shape=np.tile(evaluation.mean_shape, (8, 1, 1)),
        adaptive=jax.tree.map(
            lambda leaf: np.concatenate([leaf] * 8, axis=1 if leaf.ndim == 4 else 0),
            faces,
        ),
        fixed=np.tile(evaluation.fixed, (1, 8, 1, 1)),
    )
    found = metrics_of(many, predictor=PREDICTOR)["annotation_shift"]
    assert found == pytest.approx([2, -1], abs=0.02)


def test_a_face_without_eye_corners_is_not_measured(truth):
    def load():
        image, points, box = drawn(1).load()
        points = points.copy()
        points[36] = np.nan
        return image, points, box

    blind = Source("blind", load, stamp="1")
    found = evaluate(PREDICTOR, [drawn(0), blind, drawn(2)])
    metrics = metrics_of(found, predictor=PREDICTOR)
    assert (metrics["num_faces"], metrics["num_measured"]) == (3, 2)
    measured = np.concatenate([a.points for a in one_by_one(None)])[[0, 2]]
    expected = summarise(measured, truth[[0, 2]], markup=MARKUP)["nme_interocular"]
    assert metrics["nme_interocular"] == pytest.approx(expected, rel=1e-4)


def test_faces_are_looked_at_as_often_as_by_a_call(monkeypatch):
    predictor = load_predictor(preset="fast")

    def in_a_large_box(index):
        image, points, box = drawn(index).load()
        return image, points, BoxMap(scale_w=1.6, scale_h=1.6).apply(box)

    sources = [
        drawn(0),
        *(
            Source(f"large_{n}", lambda n=n: in_a_large_box(n), stamp="")
            for n in (1, 2)
        ),
    ]
    found = evaluate(predictor, sources)
    assert found.num_looks.tolist()[1:] == [2, 2]
    for face, source in enumerate(sources):
        image, _, box = source.load()
        direct = predictor(image, box)
        np.testing.assert_allclose(
            found.adaptive.points[face], direct.points[0], atol=0.02
        )
        (first,) = predictor.first_shapes(predictor.frames(image, box))
        np.testing.assert_allclose(found.mean_shape[face], first, atol=1e-3)
    taken = 3 * [0.9, 0.5, 0.7]  # seconds of each prediction: the least are told
    clock = itertools.accumulate(tick for time in taken for tick in (0, time))
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    timed = evaluate(predictor, sources)
    monkeypatch.undo()
    milliseconds = 500 / len(sources) * timed.num_looks.mean()
    assert timed.milliseconds_per_face == pytest.approx(milliseconds)
    metrics = metrics_of(found, predictor=predictor)
    for told in (metrics, metrics["by_step"]["3"]):
        assert told["num_looks_mean"] == pytest.approx(found.num_looks.mean())
