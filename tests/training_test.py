"""Training as a whole: it learns, it resumes to the bit, four devices equal one."""

import dataclasses
import itertools
import shutil
import threading

import jax
import numpy as np
import pytest
from tiny import tiny_run

import rcsr_jax
from rcsr_jax import checkpoint, updates
from rcsr_jax.answers import predict
from rcsr_jax.config import replace_fields
from rcsr_jax.data import crop_builds
from rcsr_jax.data.sources import drawn_sources
from rcsr_jax.markup import FACE_68
from rcsr_jax.optimiser import make_optimiser
from rcsr_jax.training import train

pytestmark = pytest.mark.usefixtures("few_replicates")


def stored_params(workdir):
    return jax.device_get(checkpoint.load_params(workdir)[0])


def assert_same(left, right):
    jax.tree.map(np.testing.assert_array_equal, left, right)


@pytest.fixture(scope="module", autouse=True)
def traced_once():
    """Runs of one config share their update: to trace it takes most of a short run.

    Their optimisers are equal: that of the demo does not ask for the number of faces.
    """
    real, made = updates.parallel_update, {}

    def known(*, config, optimiser, devices):
        key = config, tuple(devices)
        if key not in made:
            made[key] = real(config=config, optimiser=optimiser, devices=devices)
        return made[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "parallel_update", known)
        yield


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """An uninterrupted run: its work folder."""
    workdir = tmp_path_factory.mktemp("straight")
    assert train(tiny_run(), workdir=workdir).finished
    return workdir


class Killed(BaseException):
    """What ends a run from outside."""


@pytest.mark.parametrize("last", [1, 3, 5])
def test_a_killed_run_goes_on_to_the_same_parameters(last, straight, tmp_path):
    real = updates.parallel_update

    def fragile(**arguments):
        update = real(**arguments)

        def counted(state, batch):
            if int(state.step) == last:
                raise Killed
            return update(state, batch)

        return counted

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(updates, "parallel_update", fragile)
        with pytest.raises(Killed):
            train(tiny_run(), workdir=tmp_path)
    result = train(tiny_run(), workdir=tmp_path)
    assert result.finished and result.step == 6
    for step in (3, 6):
        place = f"checkpoints/{step}"
        assert_same(stored_params(tmp_path / place), stored_params(straight / place))


def test_streamed_faces_give_the_same_parameters(straight, tmp_path):
    run = tiny_run(stream_faces="always")
    result = train(run, workdir=tmp_path)
    assert result.finished
    for step in (3, 6):
        place = f"checkpoints/{step}"
        assert_same(stored_params(tmp_path / place), stored_params(straight / place))
    threads = [t.name for t in threading.enumerate() if t.is_alive()]
    assert not [name for name in threads if name.startswith("grain-prefetch")]


def test_a_resident_run_goes_on_streamed(straight, tmp_path):
    first = train(tiny_run(max_seconds=1e-6), workdir=tmp_path)
    assert not first.finished
    assert train(tiny_run(stream_faces="always"), workdir=tmp_path).finished
    place = "checkpoints/6"
    assert_same(stored_params(tmp_path / place), stored_params(straight / place))


def test_a_run_cut_by_time_keeps_a_checkpoint_and_goes_on(straight, tmp_path):
    first = train(tiny_run(max_seconds=1e-6), workdir=tmp_path)
    assert not first.finished
    assert (tmp_path / "checkpoints" / str(first.step)).is_dir()
    assert train(tiny_run(), workdir=tmp_path).finished
    assert_same(
        stored_params(tmp_path / "checkpoints/6"),
        stored_params(straight / "checkpoints/6"),
    )


def test_a_finished_run_is_left_as_it_is(straight):
    before = stored_params(straight)
    result = train(tiny_run(), workdir=straight)
    assert result.finished and np.isfinite(result.nme)
    assert_same(stored_params(straight), before)


def test_another_config_is_refused_by_name(straight):
    with pytest.raises(ValueError, match=r"batch_size \(8, now 4\)"):
        train(tiny_run(batch_size=4), workdir=straight)


def at_update(number):
    """What tells a run to stop when it is asked for the so many-th time."""
    asked = itertools.count(1)
    return lambda: next(asked) == number


def test_a_run_that_is_told_to_stop_goes_on_to_the_same(straight, tmp_path):
    first = train(tiny_run(), workdir=tmp_path, should_stop=at_update(4))
    assert not first.finished and first.step == 4
    # no validation at 4: what is known of it is what the one at 3 has measured
    stored = checkpoint.load_params(tmp_path / "checkpoints/4")[1]
    before = checkpoint.load_params(tmp_path / "checkpoints/3")[1]
    assert stored == before
    # it ranks behind that one, so it is not taken for as good
    assert checkpoint.find_checkpoint(tmp_path).name == "3"
    assert train(tiny_run(), workdir=tmp_path).finished
    place = "checkpoints/6"
    assert_same(stored_params(tmp_path / place), stored_params(straight / place))


def test_a_run_that_is_told_to_stop_at_its_end_is_validated(straight, tmp_path):
    last = train(tiny_run(), workdir=tmp_path, should_stop=at_update(6))
    assert last.finished and not last.told

    def end_of(place):
        row = (place / "metrics.csv").read_text().splitlines()[-1]
        assert row.startswith("6,")
        return checkpoint.load_params(place / "checkpoints/6")[1], row.split(",")[:3]

    assert end_of(tmp_path) == end_of(straight)


@pytest.mark.parametrize("item", ["params", "training"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_taken(
    item, straight, tmp_path
):
    shutil.copytree(straight, tmp_path, dirs_exist_ok=True)
    files = [p for p in (tmp_path / "checkpoints/6" / item).rglob("*") if p.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 255
    path.write_bytes(content)
    told = []
    result = train(tiny_run(), workdir=tmp_path, on_progress=told.append)
    assert result.finished
    (note,) = (progress.note for progress in told if progress.note)
    assert "checkpoints/6 cannot be read" in note
    assert (tmp_path / "damaged/6").is_dir()
    place = "checkpoints/6"
    assert_same(stored_params(tmp_path / place), stored_params(straight / place))


def test_where_no_checkpoint_can_be_read_nothing_is_moved(straight, tmp_path):
    shutil.copytree(straight, tmp_path, dirs_exist_ok=True)
    for step in (3, 6):
        shutil.rmtree(tmp_path / "checkpoints" / str(step) / "training")
    with pytest.raises(ValueError, match=r"checkpoints/6 cannot .* take a new workdir"):
        train(tiny_run(), workdir=tmp_path)
    assert (tmp_path / "checkpoints/6/params").is_dir()


def test_another_version_of_jax_is_told(straight, tmp_path):
    shutil.copytree(straight, tmp_path, dirs_exist_ok=True)
    (tmp_path / "environment.json").write_text('{"jax": "0.1", "num_devices": 64}')
    told = []
    train(tiny_run(), workdir=tmp_path, on_progress=told.append)
    (note,) = (progress.note for progress in told if progress.note)
    assert "jax was 0.1, now" in note and "num_devices was 64" in note


@pytest.mark.parametrize(("mirror", "told"), [(0.5, True), (0.0, False)])
def test_a_markup_without_twins_is_told_before_the_first_update(mirror, told, tmp_path):
    alone = dataclasses.replace(FACE_68, mirror=tuple(range(68)))
    run = tiny_run(markup=alone, mirror=mirror, drawn_faces=30)
    seen = []

    def stop(progress):
        if progress.stage == "train":
            seen.append(progress)
            raise Killed

    with pytest.raises(Killed):
        train(run, workdir=tmp_path, on_progress=stop)
    assert seen[0].done == 0
    assert ("look at `mirror` of the markup" in seen[0].note) == told


def test_a_checkpoint_is_all_that_prediction_needs(straight):
    predictor = rcsr_jax.load_predictor(straight)
    face = rcsr_jax.draw_face(7, 0)
    faces = predictor(face.image, face.box)
    assert faces.points.shape == (1, 68, 2)
    crops, _ = predictor.crops(face.image, face.box)
    pure = rcsr_jax.predict(predictor.params, crops, config=predictor.config)
    assert pure.points.shape == (1, 68, 2)
    stored = checkpoint.load_params(straight)[1]
    measured = (
        "annotation_shift",
        "tolerance",
        "error_scale",
        "error_spread",
        "error_ratios",
    )
    assert stored.model.error_scale != 1
    given = {name: getattr(tiny_run().model, name) for name in measured}
    assert replace_fields(stored, given) == tiny_run()


def test_later_checkpoints_compile_nothing(straight, tmp_path):
    # the run of the fixture has compiled what one checkpoint needs
    before = predict._cache_size()
    train(tiny_run(), workdir=tmp_path)
    again = predict._cache_size()
    assert again == before
    other = tiny_run(num_updates=3, eval_every=1, tolerance=0.02)  # a new program
    train(other, workdir=tmp_path / "other")
    assert predict._cache_size() - again == 2  # validation, and the stopping rule


def test_a_run_starts_from_the_parameters_of_another(straight, tmp_path):
    slow = {"init_from": str(straight), "learning_rate": 1e-9, "weight_decay": 0.0}
    train(tiny_run(**slow, num_updates=1, eval_every=1), workdir=tmp_path)
    started = jax.device_get(checkpoint.load_params(tmp_path / "checkpoints/1")[0])
    jax.tree.map(
        lambda new, old: np.testing.assert_allclose(new, old, atol=1e-6),
        started,
        stored_params(straight),
    )


def test_a_run_goes_on_without_what_it_started_from(straight, tmp_path):
    first = shutil.copytree(straight, tmp_path / "first")
    run = tiny_run(init_from=str(first))
    train(run, workdir=tmp_path / "run", should_stop=at_update(4))
    shutil.rmtree(first)
    assert train(run, workdir=tmp_path / "run").finished
    with pytest.raises(ValueError, match="first does not exist"):
        train(run, workdir=tmp_path / "new")


def test_a_run_does_not_go_on_with_other_faces(tmp_path):
    run = tiny_run(data=str(tmp_path / "cache"))

    def prepare(count):
        shutil.rmtree(tmp_path / "cache", ignore_errors=True)
        drawn = replace_fields(run, {"drawn_faces": count}).data
        sources = drawn_sources(run.model, drawn)
        crop_builds.open_or_build(
            tmp_path / "cache", sources, model=run.model, data=run.data
        )

    prepare(24)
    workdir = tmp_path / "run"
    train(run, workdir=workdir, should_stop=at_update(4))
    prepare(30)
    with pytest.raises(ValueError, match=r"cache does not hold .* --init_from=.*run"):
        train(run, workdir=workdir)
    prepare(24)
    assert train(run, workdir=workdir).finished


def test_the_last_updates_are_made_of_other_faces(straight, tmp_path):
    """Up to them the run is the same to the bit, and goes on to the same after a stop."""
    run = tiny_run(last_data=str(tmp_path / "last"), last_updates=3)
    drawn = replace_fields(run, {"drawn_faces": 32}).data
    sources = drawn_sources(run.model, drawn)[20:]  # behind those of `straight`

    def prepare(faces):
        shutil.rmtree(tmp_path / "last", ignore_errors=True)
        crop_builds.open_or_build(
            tmp_path / "last", faces, model=run.model, data=run.data
        )

    prepare(sources)
    known = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "rcsr_jax.training.make_optimiser",
            lambda config, *, num_faces: (
                known.append(num_faces),
                make_optimiser(config, num_faces=num_faces),
            )[1],
        )
        assert train(run, workdir=tmp_path / "run").finished
    assert known == [16]  # an epoch of its schedule is one of the faces before the last

    def params(workdir, step):
        return stored_params(workdir / "checkpoints" / str(step))

    assert_same(params(tmp_path / "run", 3), params(straight, 3))
    kernels = [
        params(workdir, 6)["network"]["output"]["kernel"]
        for workdir in (tmp_path / "run", straight)
    ]
    assert (kernels[0] != kernels[1]).any()
    train(run, workdir=tmp_path / "stopped", should_stop=at_update(4))
    prepare(sources[1:])
    with pytest.raises(ValueError, match="drawn,.*last does not hold .* 12 last faces"):
        train(run, workdir=tmp_path / "stopped")
    prepare(sources)
    assert train(run, workdir=tmp_path / "stopped").finished
    assert_same(params(tmp_path / "stopped", 6), params(tmp_path / "run", 6))


def test_another_network_is_no_start(straight, tmp_path):
    with pytest.raises(ValueError, match=r"another network: hidden_size is 5, not 6"):
        train(tiny_run(init_from=str(straight), hidden_size=6), workdir=tmp_path)
    assert list(tmp_path.iterdir()) == []  # before any face is cut


def test_broken_data_is_reported_before_training(tmp_path):
    with pytest.raises(ValueError, match="no such data folder"):
        train(tiny_run(data=str(tmp_path / "nowhere")), workdir=tmp_path / "run")


@pytest.mark.slow
def test_it_learns(tmp_path):
    run = tiny_run(
        patch_size=20,
        filters=(8, 8, 1),
        hidden_size=8,
        drawn_faces=150,
        batch_size=16,
        num_updates=120,
        eval_every=120,
        learning_rate=5e-3,
    )
    result = train(run, workdir=tmp_path)
    assert result.nme < 0.85 * result.baseline_nme
