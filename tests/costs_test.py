"""Static costs against counts done by hand."""

import dataclasses

import jax
import numpy as np
import pytest
from tiny import CONFIG, make_params

from rcsr_jax.config import preset
from rcsr_jax.costs import static_costs


def test_parameters_are_those_that_exist():
    network = make_params(CONFIG)["network"]
    costs = static_costs(CONFIG)
    assert costs.parameters == sum(leaf.size for leaf in jax.tree.leaves(network))
    assert costs.parameter_bytes == 4 * costs.parameters


def test_the_mirror_image_costs_as_much_again():
    both = dataclasses.replace(CONFIG, mirror_average=True)
    assert static_costs(both).total == 2 * static_costs(CONFIG).total


def test_the_paper_counted_by_hand():
    costs = static_costs(preset("paper").model)
    patch = 22 * 22 * 81 * 64 + 22 * 22 * 64 * 32 + 18 * 18 * 25 * 32
    cell = 18 * 18 * 9 * (68 + 68) * 3 * 68
    dense = 18 * 18 * 68 * 136
    sampling = 68 * 30 * 30 * 4
    assert costs.features == 68 * patch
    assert costs.step == sampling + cell + dense
    assert costs.total == 5 * (68 * patch + sampling + cell + dense)
    assert costs.memory_bytes == 4 * 18 * 18 * 68


def test_planes_pay_for_features_once():
    model = dataclasses.replace(preset("base").model, sampling="planes")
    five, thirteen = (static_costs(model, num_steps=steps) for steps in (5, 13))
    assert thirteen.total - five.total == 8 * five.step
    assert five.total == five.features + 5 * five.step


def test_a_pyramid_counted_by_hand():
    model = dataclasses.replace(
        preset("paper").model,
        sampling="planes",
        crop_size=90,
        pixel=2,
        patch_size=27,
        filters=(8, 4, 1),
        extra_layers=1,
        context_widths=(6, 5, 4),
        context_blocks=(1, 0),
        context_channels=3,
    )
    # 41 windows of 9, 39 of the 3x3 layer; 27 -> 10 -> 8 -> 4
    srcnn = 41**2 * 81 * 8 + 39**2 * (72 * 8 + 8 * 4) + 35**2 * 25 * 4
    # 90 -> 45 -> 23 -> 12
    down = 45**2 * 81 * 6 + 23**2 * 9 * (6 * 5 + 2 * 25) + 12**2 * 9 * 5 * 4
    up = 12**2 * 4 * 5 + 23**2 * (9 * 2 * 25 + 5 * 68 * 3)
    costs = static_costs(model)
    assert costs.features == srcnn + down + up
    cell = 16 * 9 * (68 * 4 + 68) * 3 * 68
    # rows of a map from 23 rows of 23 cells, then its columns
    own = 68 * 3 * (4 * 23 * 23 + 4 * 23 * 4)
    assert costs.step == 4 * 16 * 68 + own + cell + 16 * 68 * 136
    marking = static_costs(dataclasses.replace(model, own_marks=True))
    assert marking.step == costs.step + 16 * 68 * 68  # the memory's trust in the marks


@pytest.mark.parametrize("cell", ["conv_gru", "gru"])
def test_the_cell_counts_three_products(cell):
    model = dataclasses.replace(CONFIG, cell=cell)
    one = static_costs(model, num_steps=1)
    inputs = 4 * 4 * 68
    if cell == "gru":
        expected = (inputs + 5) * 3 * 5 + 5 * 136
    else:
        expected = 9 * 16 * (68 + 5) * 3 * 5 + 16 * 5 * 136
    np.testing.assert_equal(one.step, expected + 4 * inputs)
