"""Changes of parameters, worked out from gradients with NumPy."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rcsr_jax import init_params, preset
from rcsr_jax.config import TrainConfig, replace_fields
from rcsr_jax.optimiser import make_optimiser

PLAIN = TrainConfig(
    learning_rate=1e-2, warmup_updates=0, weight_decay=0.0, clip_norm=0.0
)
MUON = dataclasses.replace(PLAIN, optimiser="muon")
MODEL = replace_fields(
    preset("fast"),
    {"context_widths": (8, 12, 16), "context_blocks": (1, 0), "hidden_size": 16},
).model
# of the memory and of the pyramid, but its first and last
HIDDEN = {
    *("cell/candidate", "cell/gates", "context/down0", "context/down1"),
    *("context/block0_0/conv1", "context/block0_0/conv2", "context/lift0"),
    *("context/up0/conv1", "context/up0/conv2"),
}


def trees(generator, *, model=MODEL):
    """Random gradients and parameters of a network."""
    shapes = jax.eval_shape(
        lambda key: init_params(key, config=model, mean_shape=jnp.zeros((68, 2))),
        jax.random.key(0),
    )
    some = [
        jax.tree.map(
            lambda leaf: jnp.asarray(generator.normal(size=leaf.shape), jnp.float32),
            shapes,
        )
        for _ in range(2)
    ]
    return some[0] | {"mean_shape": jnp.zeros((68, 2))}, some[1]


def first_change(gradients, params, *, config):
    return last_change([gradients], params, config=config)


def last_change(gradients, params, *, config):
    """The change by the last of several gradients, at the same parameters."""
    optimiser = make_optimiser(config, num_faces=100)
    update, state = jax.jit(optimiser.update), optimiser.init(params)
    for gradient in gradients:
        changes, state = update(gradient, state, params)
    return changes


def by_path(tree):
    """Every leaf by the names on its way, but "network" in front."""
    leaves = jax.tree.leaves_with_path(tree)
    return {
        "/".join(entry.key for entry in path).removeprefix("network/"): np.float64(leaf)
        for path, leaf in leaves
    }


def test_muon_takes_every_direction_of_a_hidden_kernel_alike(generator):
    gradients, params = trees(generator)
    changes = by_path(first_change(gradients, params, config=MUON))
    for name in HIDDEN:
        gradient = by_path(gradients)[f"{name}/kernel"]
        inputs, outputs = int(np.prod(gradient.shape[:3])), gradient.shape[3]
        left, _, right = np.linalg.svd(
            gradient.reshape(inputs, outputs), full_matrices=False
        )
        change = changes[f"{name}/kernel"]
        turned = left.T @ change.reshape(inputs, outputs) @ right.T
        taken = -np.diag(turned) / (1e-2 * 0.2 * np.sqrt(max(inputs, outputs)))
        # five steps of Newton and Schulz leave singular values between 0.65 and 1.25
        assert taken.min() > 0.6, name
        assert taken.max() < 1.3, name
        np.testing.assert_allclose(turned - np.diag(np.diag(turned)), 0, atol=2e-5)


def test_muon_follows_its_momentum_and_looks_ahead(generator):
    rising = {"warmup_updates": 10, "num_updates": 110, "weight_decay": 0.1}
    config = dataclasses.replace(MUON, **rising)
    (first, params), (second, _) = trees(generator), trees(generator)
    changes = by_path(last_change([first, second], params, config=config))
    first, second, params = map(by_path, (first, second, params))
    rate = 1e-3 + 9e-3 / 10  # from a tenth to the whole in ten updates
    for name in (f"{name}/kernel" for name in HIDDEN):
        momentum = second[name] + 0.95 * (second[name] + 0.95 * first[name])
        inputs, outputs = int(np.prod(momentum.shape[:3])), momentum.shape[3]
        left, values, right = np.linalg.svd(
            momentum.reshape(inputs, outputs), full_matrices=False
        )
        even = (left * evened(values)) @ right
        step = 0.2 * np.sqrt(max(inputs, outputs)) * even.reshape(momentum.shape)
        expected = -rate * (step + 0.1 * params[name])
        np.testing.assert_allclose(
            changes[name], expected, rtol=1e-4, atol=1e-3 * rate, err_msg=name
        )


def evened(values):
    """Singular values after five steps of Newton and Schulz."""
    values = values / np.linalg.norm(values)
    for _ in range(5):
        values = 3.4445 * values - 4.775 * values**3 + 2.0315 * values**5
    return values


def test_muon_changes_all_else_as_adam_does(generator):
    gradients, params = trees(generator)
    muon = by_path(first_change(gradients, params, config=MUON))
    adam = by_path(first_change(gradients, params, config=PLAIN))
    same = {name for name in muon if np.allclose(muon[name], adam[name], rtol=1e-5)}
    assert muon.keys() - same == {f"{name}/kernel" for name in HIDDEN}
    # Adam's first change is the rate, whatever the size of a gradient
    np.testing.assert_allclose(
        muon["output/kernel"],
        -1e-2 * np.sign(by_path(gradients)["output/kernel"]),
        rtol=5e-3,
    )


@pytest.mark.parametrize("config", [PLAIN, MUON], ids=["adam", "muon"])
def test_kernels_decay_and_nothing_else_does(generator, config):
    gradients, params = trees(generator)
    changes = first_change(
        jax.tree.map(jnp.zeros_like, gradients),
        params,
        config=dataclasses.replace(config, weight_decay=0.1),
    )
    before = by_path(params)
    for name, change in by_path(changes).items():
        decays = before[name].ndim > 1 and name != "mean_shape"
        expected = -1e-2 * 0.1 * before[name] if decays else 0 * before[name]
        np.testing.assert_allclose(change, expected, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_layers_of_many_inputs_on_the_memory_go_slowly_in_adam_alone(
    generator, optimiser
):
    # 3 * 3 * 520 inputs are above 4,096; Muon's changes pull together in no direction
    model = dataclasses.replace(MODEL, hidden_size=520)
    gradients, params = trees(generator, model=model)
    config = dataclasses.replace(PLAIN, optimiser=optimiser)
    kernel = by_path(first_change(gradients, params, config=config))[
        "cell/gates/kernel"
    ]
    inputs = np.prod(kernel.shape[:3])
    assert inputs > 4096
    expected = 4096 / inputs if optimiser == "adam" else 0.2
    assert np.sqrt(np.square(kernel).mean()) / 1e-2 == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("optimiser", ["adam", "muon", "sgd"])
def test_a_gradient_that_is_not_finite_changes_nothing(generator, optimiser):
    gradients, params = trees(generator)
    kernel = gradients["network"]["output"]["kernel"]
    gradients["network"]["output"]["kernel"] = kernel.at[0, 0].set(jnp.nan)
    config = dataclasses.replace(PLAIN, optimiser=optimiser)
    for change in by_path(first_change(gradients, params, config=config)).values():
        np.testing.assert_array_equal(change, 0)


def test_the_rate_of_the_paper_is_halved_every_ten_epochs_and_begins_anew():
    config = preset("paper").train
    optimiser = make_optimiser(config, num_faces=3148)
    params = {"network": {"w": jnp.ones((1, 1))}, "mean_shape": jnp.ones((1, 2))}
    gradients = jax.tree.map(jnp.ones_like, params)

    def update(carry, _):
        state, momentum = carry
        changes, state = optimiser.update(gradients, state, params)
        momentum = 0.9 * momentum + 1
        return (state, momentum), -changes["network"]["w"][0, 0] / momentum

    start = (optimiser.init(params), 0.0)
    _, rates = jax.lax.scan(update, start, length=config.num_updates)
    # 3,148 faces, mirrored and in three boxes each: 92 updates of 204
    falls = 1 + np.flatnonzero(np.diff(rates[:1900]) < -1e-5)
    np.testing.assert_allclose(falls, [920, 1840], atol=1)  # compiled, 920 / 920 < 1
    expected = [0.01, 0.01, 0.005, 0.005, 0.0025]
    some = np.asarray(rates)[[0, 919, 921, 1839, 1841]]
    np.testing.assert_allclose(some, expected, rtol=1e-4)
    # 200 epochs, and as many on new replicates, which nothing could be learned from with
    # what is left of the rate
    middle = config.num_updates // 2
    assert middle // 92 == 201
    assert rates[middle - 1] < 1e-7
    np.testing.assert_allclose(rates[middle:][:1900], rates[:1900], rtol=1e-3)


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_the_rate_rises_in_a_line_and_falls_to_zero_by_a_cosine(optimiser):
    changes = {"optimiser": optimiser, "warmup_updates": 10, "num_updates": 110}
    config = dataclasses.replace(PLAIN, **changes)
    kernel = jnp.ones((1, 1, 2, 2))  # hidden: Muon's, where that is asked for
    params = {"network": {"cell": {"gates": kernel}, "w": kernel[0, 0]}}
    params |= {"mean_shape": jnp.ones((1, 2))}
    optimiser = make_optimiser(config, num_faces=100)

    def update(state, _):
        moved, state = optimiser.update(params, state, params)
        network = moved["network"]
        return state, (network["cell"]["gates"][0, 0, 0, 0], network["w"][0, 0])

    _, rates = jax.lax.scan(update, optimiser.init(params), length=110)
    rising = np.linspace(1e-3, 1e-2, 11)[:10]
    falling = 1e-2 * (1 + np.cos(np.pi * np.arange(100) / 100)) / 2
    expected = np.concatenate([rising, falling])
    # a gradient that stays the same moves what Adam has by the rate, all else in its share
    np.testing.assert_allclose(-rates[1], expected, rtol=1e-4, atol=1e-8)
    np.testing.assert_allclose(
        rates[0] / rates[0][10], expected / expected[10], rtol=1e-3, atol=1e-6
    )


@pytest.mark.parametrize(("part", "kept"), [(0.0, 1.0), (0.5, 0.5), (2.0, 1.0)])
def test_gradients_are_clipped_as_a_whole(generator, part, kept):
    gradients, params = trees(generator)
    leaves = by_path(gradients).values()
    norm = np.sqrt(sum(np.square(leaf).sum() for leaf in leaves))
    config = dataclasses.replace(PLAIN, optimiser="sgd", clip_norm=float(part * norm))
    changes = by_path(first_change(gradients, params, config=config))
    for name, gradient in by_path(gradients).items():
        np.testing.assert_allclose(changes[name], -1e-2 * kept * gradient, rtol=1e-4)
