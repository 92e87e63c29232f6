"""Training that goes wrong: gradients and answers that are no numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest
from tiny import tiny_run

from rcsr_jax import lookout, resumption, training, updates
from rcsr_jax.training import TrainingError, train

pytestmark = pytest.mark.usefixtures("few_replicates")


def poison(patch, *steps):
    """Has the examples of some steps give gradients that are no numbers."""
    real = updates.examples

    def poisoned(step, *arguments, **options):
        crops, points = real(step, *arguments, **options)
        bad = jnp.isin(step, jnp.array(steps))
        return jnp.where(bad, jnp.nan, crops), points

    patch.setattr(updates, "examples", poisoned)


def test_an_update_without_a_finite_gradient_changes_nothing(tmp_path):
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        poison(patch, 0, 2, 5)
        run = tiny_run(eval_every=1)
        result = train(run, workdir=tmp_path, on_progress=seen.append)
    assert result.finished and result.skipped == 3
    assert [told.skipped for told in seen if told.checkpoint] == [1, 1, 2, 2, 2, 3]
    # 5 and 6 are what is kept: before and after a bad update
    before, after = (stored_raw(tmp_path, step=step)["params"] for step in (5, 6))
    jax.tree.map(np.testing.assert_array_equal, after, before)
    fresh = training.init_params(
        jax.random.key(run.train.seed),
        config=run.model,
        mean_shape=before["mean_shape"],
    )
    changed = jax.tree.map(lambda a, b: np.abs(a - b).max(), fresh, before)
    assert max(jax.tree.leaves(changed)) > 0


def test_a_run_of_bad_gradients_stops_with_what_was_good(tmp_path, monkeypatch):
    poison(monkeypatch, 2, 3, 4, 5)
    monkeypatch.setattr(training, "_MOST_SKIPPED", 2)
    monkeypatch.setattr(lookout, "_LOOK_EVERY", 1)
    with pytest.raises(TrainingError, match="last 2 updates are .* in checkpoint 4"):
        train(tiny_run(eval_every=2), workdir=tmp_path)
    before, after = (stored_raw(tmp_path, step=step)["params"] for step in (2, 4))
    jax.tree.map(np.testing.assert_array_equal, after, before)


def stored_raw(workdir, *, step):
    """What training goes on from."""
    wanted = ocp.args.Composite(training=ocp.args.StandardRestore())
    with resumption.open_manager(workdir) as manager:
        return manager.restore(step, args=wanted)["training"]


def test_answers_that_are_no_numbers_end_the_run_with_the_remedy(tmp_path):
    run = tiny_run(learning_rate=1e30, warmup_updates=0)
    with pytest.raises(
        TrainingError, match=r"is no number at .* Lower the learning rate"
    ):
        train(run, workdir=tmp_path)
