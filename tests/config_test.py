"""Presets, JSON round trips, changes by name and every refusal of a config."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest

from rcsr_jax.config import (
    PRESETS,
    AugmentConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    differences,
    from_dict,
    preset,
    replace_fields,
    to_dict,
)
from rcsr_jax.costs import static_costs
from rcsr_jax.markup import FACE_49, Markup
from rcsr_jax.planes import Plane

TWO = Markup(name="two", mirror=(1, 0), eye_corners=(0, 1), eyes=((0,), (1,)))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_hashable_and_survive_json(name):
    run = preset(name)
    assert hash(run) == hash(preset(name))
    back = from_dict(RunConfig, json.loads(json.dumps(to_dict(run))))
    assert back == run
    assert isinstance(back.model.filters, tuple)
    assert isinstance(back.model.markup, Markup)


def test_presets_differ_and_lie_on_one_curve():
    assert len({preset(name) for name in PRESETS}) == len(PRESETS)
    costs = [
        static_costs(preset(name).model).total for name in ("fast", "base", "large")
    ]
    assert costs == sorted(costs)


def test_the_defaults_are_the_net_of_the_paper_on_one_plane():
    model = RunConfig().model
    assert model.plane == Plane(filters=(64, 32, 1))
    assert model.plane == preset("paper").model.plane
    assert (model.context_widths, model.channels) == ((), 1)
    assert preset("base").model.channels == 2 + 2


def test_paper_preset_is_what_was_published():
    run = preset("paper")
    assert run.model.sampling == "patches"
    assert run.model.patch_size == 30
    assert run.model.map_size == 18
    assert run.model.filters == (64, 32, 1)
    assert run.model.cell == "conv_gru"
    assert run.model.increment == "whole"
    assert run.model.num_points == 68
    assert run.model.tolerance == 0.01
    assert run.model.max_steps == 13
    assert run.model.increment_norm == "shape"
    assert run.train.optimiser == "sgd"
    assert run.train.learning_rate == 0.01
    assert run.train.halving_epochs == 10
    assert run.train.batch_size == 204
    assert run.train.loss == "l2"
    assert not run.train.calibrate
    assert run.train.step_weights == "progressive"
    # 400 epochs of the 3,148 training faces, mirrored and jittered to six of each
    assert run.train.num_updates == 400 * 3148 * 6 // 204
    light = (run.augment.contrast, run.augment.brightness, run.augment.gamma)
    assert (*light, run.augment.noise, run.augment.occlusion) == (0, 0, 0, 0, 0)


def test_own_markups_survive_json():
    for markup in (TWO, FACE_49):
        config = ModelConfig(markup=markup)
        back = from_dict(ModelConfig, json.loads(json.dumps(to_dict(config))))
        assert back == config
        assert back.num_points == markup.num_points


def test_missing_fields_take_defaults_and_whole_numbers_become_floats():
    config = from_dict(ModelConfig, {"crop_size": 64, "tolerance": 0})
    assert config == ModelConfig(crop_size=64, tolerance=0.0)
    assert isinstance(config.tolerance, float)


def test_replace_fields_finds_the_part():
    run = replace_fields(
        RunConfig(), {"crop_size": 64, "seed": 7, "split": "all", "mirror": 0.0}
    )
    assert run.model == ModelConfig(crop_size=64)
    assert run.train == TrainConfig(seed=7)
    assert run.data == DataConfig(split="all")
    assert run.augment == AugmentConfig(mirror=0.0)


def test_setting_names_are_unique_over_the_parts():
    names = [
        field.name
        for part in dataclasses.fields(RunConfig)
        for field in dataclasses.fields(part.default_factory)
    ]
    assert len(names) == len(set(names))


def test_every_setting_has_a_help_text():
    for kind in (ModelConfig, DataConfig, AugmentConfig, TrainConfig):
        for field in dataclasses.fields(kind):
            assert field.metadata["help"].endswith("."), field.name


def test_differences_name_what_changed():
    changed = replace_fields(RunConfig(), {"seed": 7, "patch_size": 20})
    assert differences(RunConfig(), RunConfig()) == {}
    assert differences(RunConfig(), changed) == {"seed": (0, 7), "patch_size": (24, 20)}


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ModelConfig, {"sampling": "pixels"}, "sampling must be one of planes, patch"),
        (ModelConfig, {"cell": "lstm"}, "cell must be one of conv_gru, gru"),
        (ModelConfig, {"increment": "half"}, "increment must be one of whole, step"),
        (ModelConfig, {"increment_norm": "l0"}, "increment_norm must be one of"),
        (ModelConfig, {"crop_size": 0}, "crop_size must be at least 1; got 0"),
        (ModelConfig, {"hidden_size": 0}, "hidden_size must be at least 1"),
        (ModelConfig, {"num_steps": 0}, "num_steps must be at least 1"),
        (ModelConfig, {"max_steps": -1}, "max_steps must be at least 1; got -1"),
        (ModelConfig, {"filters": (4, 3)}, "filters must be three counts"),
        (ModelConfig, {"filters": ()}, "filters must be three counts"),
        (ModelConfig, {"filters": (4, 0, 1)}, "filters must be three counts"),
        (ModelConfig, {"patch_size": 12}, "patch_size must be at least 13, .* got 12"),
        (ModelConfig, {"patch_size": 97}, "fit into the crop of 96 pixels; got 97"),
        (ModelConfig, {"frame_scale": 0.0}, "frame_scale must be positive; got 0.0"),
        (ModelConfig, {"frame_scale": float("nan")}, "frame_scale must be a finite"),
        (DataConfig, {"validation_faces": -1}, "validation_faces must be at least 0"),
        (DataConfig, {"drawn_faces": 0}, "drawn_faces must be at least 1"),
        (DataConfig, {"cache_margin": 0.9}, "cache_margin must be at least 1; got 0.9"),
        (AugmentConfig, {"rotation": -1.0}, "rotation must be at least 0; got -1.0"),
        (
            AugmentConfig,
            {"occlusion": float("nan")},
            "occlusion must be a finite number",
        ),
        (AugmentConfig, {"mirror": 1.5}, "mirror must be at most 1; got 1.5"),
        (
            TrainConfig,
            {"learning_rate": float("inf")},
            "must be a finite number; got inf",
        ),
        (
            TrainConfig,
            {"weight_decay": -1.0},
            "weight_decay must be at least 0; got -1",
        ),
        (
            TrainConfig,
            {"halving_epochs": 0},
            "halving_epochs must be at least 1; got 0",
        ),
        (DataConfig, {"cache_margin": 99.0}, "cache_margin must be at most 16; got 99"),
        (
            TrainConfig,
            {"optimiser": "lbfgs"},
            "optimiser must be one of adam, muon, sgd",
        ),
        (TrainConfig, {"loss": "l3"}, "loss must be one of l2, l1, wing"),
        (TrainConfig, {"step_weights": "flat"}, "step_weights must be one of"),
        (TrainConfig, {"num_updates": 0}, "num_updates must be at least 1"),
        (TrainConfig, {"batch_size": 0}, "batch_size must be at least 1"),
        (TrainConfig, {"eval_every": 0}, "eval_every must be at least 1"),
        (TrainConfig, {"warmup_updates": -1}, "warmup_updates must be at least 0"),
        (TrainConfig, {"clip_norm": -1.0}, "clip_norm must be at least 0"),
        (TrainConfig, {"max_seconds": -1.0}, "max_seconds must be at least 0"),
        (TrainConfig, {"seed": -1}, "seed must be at least 0"),
        (
            TrainConfig,
            {"seed": 2**32},
            "seed must be at most 4294967295; got 4294967296",
        ),
        (TrainConfig, {"learning_rate": 0.0}, "learning_rate must be positive"),
        (TrainConfig, {"across_weight": 0.0}, "across_weight must be positive"),
        (TrainConfig, {"ema_decay": 1.0}, r"ema_decay must be in \[0, 1\)"),
        (TrainConfig, {"last_updates": -1}, "last_updates must be at least 0"),
        (
            TrainConfig,
            {"num_updates": 9, "last_updates": 9},
            "last_updates must be below the 9 of num_updates; got 9",
        ),
        (
            RunConfig,
            {"data": DataConfig(last_data="faces")},
            r"last_data \('faces'\) and last_updates \(0\) belong together",
        ),
        (
            RunConfig,
            {"train": TrainConfig(last_updates=5)},
            r"last_data \(''\) and last_updates \(5\) belong together",
        ),
        (
            RunConfig,
            {
                "data": DataConfig(last_data="faces", training_faces=5),
                "train": TrainConfig(last_updates=5),
            },
            "training_faces would take part of data alone",
        ),
        (
            RunConfig,
            {
                "model": ModelConfig(cell="gru"),
                "train": TrainConfig(optimiser="muon"),
            },
            "this network has neither: take adam",
        ),
    ],
)
def test_impossible_settings_are_refused(kind, fields, message):
    with pytest.raises(ValueError, match=message):
        kind(**fields)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (RunConfig, {"optimizer": {}}, "RunConfig has no field optimizer"),
        (RunConfig, {"model": {"patch": 3}}, "ModelConfig has no field patch"),
        (RunConfig, {"model": 5}, "ModelConfig must be an object; got 5"),
        (RunConfig, {"model": {"markup": {"name": "x"}}}, "markup"),
        (ModelConfig, {"crop_size": "96"}, "crop_size must be int; got '96'"),
        (ModelConfig, {"crop_size": 96.5}, "crop_size must be int; got 96.5"),
        (ModelConfig, {"crop_size": True}, "crop_size must be int; got True"),
        (ModelConfig, {"tolerance": True}, "tolerance must be float; got True"),
        (ModelConfig, {"tolerance": None}, "tolerance must be float; got None"),
        (ModelConfig, {"position_gradient": 1}, "position_gradient must be bool"),
        (ModelConfig, {"filters": 64}, "filters must be"),
        (ModelConfig, {"filters": "abc"}, "filters must be"),
        (ModelConfig, {"filters": [64, 32.5, 1]}, "filters must be"),
        (TrainConfig, {"loss": 2}, "loss must be str; got 2"),
    ],
)
def test_json_that_does_not_fit_is_refused(kind, fields, message):
    with pytest.raises(ValueError, match=message):
        from_dict(kind, fields)


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (ModelConfig, {"crop_size": 96.0}, r"crop_size must be int; got 96\.0"),
        (ModelConfig, {"crop_size": np.int64(96)}, r"crop_size must be int; got .*96"),
        (ModelConfig, {"own_marks": 1}, "own_marks must be bool; got 1"),
        (ModelConfig, {"filters": [64, 32, 1]}, r"filters must be a tuple; got \[64"),
        (ModelConfig, {"filters": (64, 32.5, 1)}, "filters must be int; got 32.5"),
        (ModelConfig, {"markup": "68"}, "markup must be Markup; got '68'"),
        (DataConfig, {"data": pathlib.Path("x")}, "data must be str; got .*Path"),
        (TrainConfig, {"learning_rate": "1e-3"}, "learning_rate must be float; got '1"),
        (RunConfig, {"model": preset("base")}, "model must be ModelConfig; got Run"),
    ],
)
def test_fields_of_another_type_are_refused_in_python_too(kind, fields, message):
    with pytest.raises(ValueError, match=message):
        kind(**fields)
    whole = TrainConfig(learning_rate=1)  # a whole number does for a float
    assert whole == TrainConfig(learning_rate=1.0)


def test_unknown_presets_and_settings_are_refused():
    with pytest.raises(ValueError, match="one of base, fast, .* got 'huge'"):
        preset("huge")
    with pytest.raises(ValueError, match="no setting is called learning"):
        replace_fields(RunConfig(), {"learning": 1})
