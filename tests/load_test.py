"""One predictor under load, on threads and in other processes."""

import functools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
import warnings

import jax
import numpy as np
import pytest
import tiny
from load import load

import rcsr_jax
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.inference import Predictor

BOX = np.array([15.0, 10, 55, 50])


@functools.cache
def predictor() -> Predictor:
    return Predictor(tiny.make_params(), tiny.CONFIG).compile((1, 2, 4, 8))


def check(found, *, calls):
    assert found.calls == calls and found.faces > calls
    assert found.compiled == 0 and found.arrays == 0
    assert found.asked_again > 0 and found.other_answers == 0
    start, most, _ = found.megabytes
    assert most <= 1.05 * start


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_photos_of_any_size_and_number_of_faces_leave_nothing_behind():
    check(load(predictor(), calls=200, warm=100, every=10), calls=200)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_hundreds_of_photos_leave_nothing_behind():
    model = rcsr_jax.load_predictor(preset="fast").compile((1, 2, 4, 8))
    check(load(model, calls=600, warm=200, every=20), calls=600)


def photos(count):
    sizes = np.random.default_rng(3).integers(60, 200, (count, 2))
    noise = np.random.default_rng(4).integers(0, 256, (200, 200), np.uint8)
    boxes = [np.tile(BOX, (n % 5, 1)) for n in range(count)]
    return [(noise[:h, :w], rows) for (h, w), rows in zip(sizes, boxes, strict=True)]


def on_threads(work, items):
    """Does some work for each item, all at once."""
    threads = [threading.Thread(target=work, args=(item,)) for item in items]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
        assert not thread.is_alive()


def test_threads_that_share_a_predictor_get_the_answers_of_one():
    asked = photos(20)
    alone = [predictor()(*photo).points for photo in asked]
    fresh = Predictor(tiny.make_params(), tiny.CONFIG)  # they compile at once, too
    wrong, together = [], threading.Barrier(8)

    def ask(shift):
        together.wait()
        for turn in range(3 * len(asked)):
            place = (turn + shift) % len(asked)
            model = fresh if turn % 2 else predictor()
            if not np.array_equal(model(*asked[place]).points, alone[place]):
                wrong.append(place)

    on_threads(ask, [3 * n for n in range(8)])
    assert wrong == []


def test_streams_on_threads_do_not_mix_their_answers():
    asked = photos(12)
    alone = [predictor()(*photo).points for photo in asked]
    wrong = []

    def ask(order):
        found = predictor().stream([asked[n] for n in order], num_threads=2)
        for place, faces in zip(order, found, strict=True):
            # 8 faces are another program than 1: they differ in the last digits
            if not np.allclose(faces.points, alone[place], atol=1e-3):
                wrong.append(place)

    orders = [np.random.default_rng(n).permutation(12).tolist() for n in range(4)]
    on_threads(ask, orders)
    assert wrong == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.parametrize("use", ["call", "stream", "resume", "compile", "new"])
def test_a_forked_process_is_told_what_to_do_instead_of_hanging(use):
    model, image = predictor(), np.zeros((60, 80), np.uint8)
    crops, frames = model.crops(image, BOX)
    params = jax.device_get(model.params)
    uses = {
        "call": lambda: model(image, BOX),
        "stream": lambda: list(model.stream([(image, BOX)])),
        "resume": lambda: model.resume(crops, frames),
        "compile": lambda: model.compile((1,)),
        "new": lambda: Predictor(params, model.config),
    }
    read, write = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of JAX, about this very thing
        child = os.fork()
    if child == 0:  # the child may do nothing of pytest's
        signal.alarm(20)
        told = b"no error"
        try:
            uses[use]()
        except RuntimeError as error:
            told = str(error).encode()
        finally:
            os.write(write, told)
            os._exit(0)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert status == 0
    assert "was forked from one that runs JAX" in told and '"spawn"' in told


def _points(model, image, box):
    return model(image, box).points


@pytest.mark.slow
def test_a_spawned_process_is_sent_the_predictor_and_answers_the_same():
    image = draw_face(3, 0).image
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(_points, (predictor(), image, BOX))
    np.testing.assert_allclose(there, predictor()(image, BOX).points, atol=1e-4)


def test_a_predictor_that_is_pickled_comes_back():
    copy = pickle.loads(pickle.dumps(predictor()))
    assert copy.config == predictor().config
    image = np.zeros((60, 80), np.uint8)
    np.testing.assert_array_equal(
        copy(image, BOX).points, predictor()(image, BOX).points
    )
