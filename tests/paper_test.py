"""Every table and figure of the paper, run on a few drawn faces with tiny models."""

import contextlib
import dataclasses
import functools
import io
import itertools
import json

import numpy as np
import pytest
import tiny
from commands import run_module
from PIL import Image
from rcsr_jax.experiments.paper import (
    budgets,
    fig4,
    fig5,
    fig6,
    fig7,
    fig8,
    fig10,
    fig11,
    page,
    results,
    study,
    table1,
    table2,
    table3,
    table4,
)

from rcsr_jax.checkpoint import export_params, load_params
from rcsr_jax.config import RunConfig, preset, replace_fields
from rcsr_jax.data import splits
from rcsr_jax.data.annotations import write_pts
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.progress import Progress
from rcsr_jax.records import MetricsTable

RUNNERS = (table1, table2, table3, fig4, fig6, fig8, fig10, fig11)


def name_of(runner):
    return runner.__name__.rpartition(".")[2]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one model, which all runners that show a single one share."""
    place = tmp_path_factory.mktemp("paper")
    model = dataclasses.replace(tiny.CONFIG, max_steps=20)
    params = tiny.make_params(model, output=0.05)
    export_params(place / "model", params=params, config=RunConfig(model=model))
    return place


def open_study(place, name, **more):
    more = {"checkpoint": str(place / "model"), **more}
    more["several"] = name in ("table4", "fig5", "fig7")
    return study.open_study(
        data="drawn", budget="tiny", out=place / "out" / name, **more
    )


def read(place, name):
    folder = place / "out" / name
    told = json.loads((folder / "results.json").read_text())
    text = (folder / f"{name}.md").read_text()
    for picture in told["pictures"]:
        with Image.open(folder / picture) as image:
            assert min(image.size) > 8
        assert f"]({picture})" in text
    return told, text


@pytest.fixture(scope="module")
def shown(place):
    """Makes a table or figure of the one model, once: its results, text and output."""

    @functools.cache
    def show(name):
        runner = next(runner for runner in RUNNERS if name_of(runner) == name)
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            runner.make(open_study(place, name))
        return *read(place, name), printed.getvalue()

    return show


@pytest.fixture(scope="module")
def compared(place):
    """Makes a comparison of models, once: the settings each would have been trained with.

    The one model takes the place of all.
    """

    @functools.cache
    def compare(runner, *settings):
        made = {}
        params, run = load_params(place / "model")

        def train_model(here, name, changes):
            made[name] = replace_fields(here.run, changes).model
            folder = study.model_folder(here, name)
            folder.mkdir(parents=True, exist_ok=True)
            MetricsTable(folder, upto=0).add(Progress("train", 2, 2, nme=9.0))
            return Predictor(params, run.model)

        # what takes no time at all would have no place on a logarithmic axis
        clock = itertools.count()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runner, "train_model", train_model)
            patch.setattr("rcsr_jax.records.time.process_time", lambda: next(clock))
            for name, value in settings:
                patch.setattr(runner, name, value)
            checkpoint = {} if runner is table4 else {"checkpoint": ""}
            runner.make(open_study(place, name_of(runner), **checkpoint))
        return made

    return compare


def depths_compared(compared):
    return compared(fig5, ("DEPTHS", (0, 1)), ("DENSE_LAYERS", (2,)))


def steps_compared(compared):
    return compared(fig7, ("TRAINED_STEPS", (1, 3)))


@pytest.mark.parametrize("runner", RUNNERS, ids=name_of)
def test_runners_of_one_model(runner, shown):
    name = name_of(runner)
    told, text, printed = shown(name)
    ours = told["rows"][-1]
    assert told["name"] == name
    assert ours["num_faces"] == 8 and ours["sets"]["drawn"]["num_faces"] == 8
    assert ours["nme_interpupil"] > ours["nme_interocular"] > 0
    assert ours["subsets"]["49"]["nme_interocular"] > 0
    assert "drawn faces, not 300-W" in text and "budget tiny" in text
    assert printed.strip() == text.strip()
    assert told["trained_on"] == "" and f"the model is {told['checkpoint']}," in text


@pytest.mark.parametrize(
    ("name", "methods", "last"),
    [
        ("table1", 18, {"common": 4.01, "challenging": 8.58, "full": 4.90}),
        ("table2", 10, {"68": 4.16, "49": 3.13}),
        ("table3", 10, {"68": 3.93, "49": 3.57}),
    ],
)
def test_tables_have_the_paper_s_rows_then_ours(name, methods, last, shown):
    told, text, _ = shown(name)
    published = [row for row in told["rows"] if row.get("source") == "paper"]
    assert told["rows"][:methods] == published
    assert published[-1]["published"] == last
    # in a column of its own: what it is normalised by is not always known
    assert {row["nme_interpupil"] for row in published} == {None}
    assert [row["method"] for row in told["rows"][methods:]] == [
        "RCSR 5 recurrences (ours)",
        "RCSR 10 recurrences (ours)",
        "RCSR adaptive (ours)",
    ]
    assert f"{told['rows'][-1]['nme_interpupil']:.2f}" in text


def test_figures_tell_what_they_show(shown):
    (row,) = shown("fig6")[0]["rows"]
    assert list(row["by_step"]) == list(row["increment_by_step"])
    assert len(row["by_step"]["hard"]) == 20
    assert row["tolerance"] == tiny.CONFIG.tolerance
    (row,) = shown("fig10")[0]["rows"]
    assert sorted(row["filters"]) == [0, 1, 2, 3]
    assert row["variances"] == sorted(row["variances"], reverse=True)


def test_table_4_has_the_six_systems_in_order(place, compared):
    made = compared(table4)
    told, text = read(place, "table4")
    assert told["trained_on"] == "drawn train" and "trained on drawn" in text
    assert [row["method"] for row in told["rows"]] == [
        table4.DESCENT,
        *table4.SYSTEMS,
        table4.LONGER,
    ]
    assert [(m.cell, m.features) for m in made.values()] == [
        ("gru", "hog"),
        ("gru", "srcnn"),
        ("conv_gru", "lenet"),
        ("conv_gru", "fauc"),
        ("conv_gru", "srcnn"),
    ]
    descent = told["rows"][0]
    assert descent["published"]["full"] == 7.68 and descent["num_steps_mean"] == 2
    assert 0 < descent["nme_interocular"] < 100 and descent["nme_validation"] > 0
    assert told["rows"][2]["published"]["full"] == 5.32
    (point,) = told["rows"][1]["learning"]
    assert (point["updates"], point["nme_interocular"]) == (2, 9)
    assert told["pictures"] == ["table4.png", "table4_learning.png"]
    assert "| CPU s | validation |" in text
    assert "more updates" in text and "published" not in told["rows"][-1]
    assert "| Convolutional GRU + FAUC |" in text


def test_an_error_is_that_of_the_last_look_in_that_time():
    learning = [
        {"updates": 10, "cpu_seconds": 4.0, "nme_interocular": 9.0},
        {"updates": 20, "cpu_seconds": 8.0, "nme_interocular": 7.0},
    ]
    assert [table4._error_at(learning, at) for at in (3.9, 4, 7.9, 8, 99)] == [
        None,
        9.0,
        9.0,
        7.0,
        7.0,
    ]


def test_figure_5_compares_depths(place, compared):
    made = depths_compared(compared)
    rows = read(place, "fig5")[0]["rows"]
    assert [row["method"] for row in rows] == ["depth-0-fc-2", "depth-1-fc-2"]
    deep, shallow = made["depth-1-fc-2"], made["depth-0-fc-2"]
    assert (deep.dense_layers, deep.max_steps, deep.tolerance) == (2, 2, 0)
    assert deep.map_size == shallow.map_size
    # the crop grows at the same scale, and with it the patch
    assert deep.crop_size == shallow.crop_size + 2
    scales = [model.frame_scale / model.crop_size for model in (deep, shallow)]
    assert scales[0] == pytest.approx(scales[1])


def test_figure_7_compares_steps_of_training(place, compared):
    steps_compared(compared)
    rows = read(place, "fig7")[0]["rows"]
    assert [row["method"] for row in rows] == ["RCSR1", "RCSR3"]
    assert [len(row["by_step"]) for row in rows] == [3, 3]
    for row in rows:
        steps = row["method"].removeprefix("RCSR")
        assert row["nme_interocular"] == row["by_step"][steps]


def test_the_page_holds_what_there_is_in_the_paper_s_order(place, shown, compared):
    for runner in RUNNERS:
        shown(name_of(runner))
    compared(table4)
    depths_compared(compared)
    steps_compared(compared)
    names = page.make(place / "out", place / "page" / "results.md")
    assert names == list(results.ORDER)
    text = (place / "page" / "results.md").read_text()
    assert "](../out/fig10/fig10.png)" in text
    assert text.index("## Table 4") < text.index("## Fig. 4") < text.index("## Fig. 10")
    names = page.make(place / "out" / "fig8", place / "page" / "one.md")
    assert names == ["fig8"]
    assert (
        "Without results in this folder: table1, "
        in (place / "page" / "one.md").read_text()
    )
    page.make(place / "out" / "fig8", place / "public" / "all.md", public=True)
    assert "](all/fig8.png)" in (place / "public" / "all.md").read_text()
    assert (place / "public/all/fig8.png").is_file()
    with pytest.raises(ValueError, match="holds no results.json"):
        page.make(place / "model", place / "page" / "none.md")


def test_a_public_page_shows_no_people(tmp_path):
    told = {"name": "fig4", "pictures": ["fig4.png"], "shows_people": True}
    (tmp_path / "results.json").write_text(json.dumps(told))
    (tmp_path / "fig4.md").write_text("# Fig. 4\n\n![Fig. 4](fig4.png)\n")
    (tmp_path / "fig4.png").write_bytes(b"")
    page.make(tmp_path, tmp_path / "docs/results.md", public=True)
    text = (tmp_path / "docs/results.md").read_text()
    assert "fig4.png" not in text and "shows people" in text
    assert not (tmp_path / "docs/results").exists()


def photos(folder, count):
    folder.mkdir(parents=True)
    points = tiny.mean_shape()
    for number in range(count):
        Image.fromarray(np.full((40, 40), 9 * number, np.uint8)).save(
            folder / f"image_{number} _1.png"
        )
        write_pts(folder / f"image_{number} _1.pts", points)


def test_shipped_weights_stand_for_a_trained_system(tmp_path):
    photos(tmp_path / "lfpw/testset", 2)
    here = study.open_study(
        data=str(tmp_path), budget="tiny", out=tmp_path / "out", checkpoint="fast"
    )
    assert study.rcsr_model(here).config == load_predictor(preset="fast").config


def test_a_part_of_300_w_is_used_and_what_lacks_is_told(place, tmp_path):
    photos(tmp_path / "LFPW/testset", 2)
    photos(tmp_path / "lfpw_not/testset", 1)
    common = {"data": str(tmp_path), "budget": "tiny", "out": tmp_path / "out"}
    here = study.open_study(**common, checkpoint="some")
    assert {name: len(faces) for name, faces in here.test_sets.items()} == {
        "common": 2,
        "full": 2,
    }
    told = " ".join(here.notes)
    assert "lfpw/testset: 2 of 224 faces; 222 have neither" in told
    assert "ibug: 0 of 135 faces; there is no such folder" in told
    lfpw = study.open_study(**common, checkpoint="some", parts=("lfpw/testset",))
    assert list(lfpw.test_sets) == ["lfpw/testset"]
    assert splits.size_of("lfpw/testset") == 224
    with pytest.raises(ValueError, match="has no face to train on"):
        study.open_study(**common)
    # a checkpoint is for one model: those beside it are never trained on test faces
    with pytest.raises(ValueError, match="has no face to train on"):
        study.open_study(**common, checkpoint="some", several=True)
    with pytest.raises(
        ValueError, match="no face to judge on: helen/testset: 0 of 330"
    ):
        study.open_study(**common, checkpoint="some", parts=("helen/testset",))
    rows = [
        {
            "method": "ours",
            "sets": {"common": {"num_faces": 2, "nme_interocular": 5.0}},
        },
        {"method": "theirs", "published": {"full": 7.68}},
    ]
    assert results.set_table(rows).splitlines() == [
        "| Method (68 points) | common, 2 of 554: inter-ocular | common, 2 of 554: "
        "inter-pupil | full: published |",
        "| --- | --- | --- | --- |",
        "| ours | 5.00 | — | — |",
        "| theirs | — | — | 7.68 |",
    ]
    few = {"num_faces": 2, "nme_interocular": 5.0}
    more = {"num_faces": 3, "nme_interocular": 6.0}

    def header(sets):
        return results.set_table([{"method": "ours", "sets": sets}]).splitlines()[0]

    assert "full" not in header({"common": few, "full": few})  # the same faces
    assert "full, 3 of 689: inter-ocular" in header({"common": few, "full": more})


def test_the_paper_budget_is_the_published_model():
    run = budgets.BUDGETS["paper"]().run
    assert run.model == preset("paper").model
    assert run.train.num_updates == preset("paper").train.num_updates
    for name, structure in budgets.SYSTEMS.items():
        for budget in budgets.BUDGETS.values():
            made = budget()
            replace_fields(made.run, structure | made.systems.get(name, {}))


def test_figure_11_needs_maps(place):
    model = dataclasses.replace(tiny.CONFIG, cell="gru")
    export_params(
        place / "gru", params=tiny.make_params(model), config=RunConfig(model=model)
    )
    here = open_study(place, "fig11_gru", checkpoint=str(place / "gru"))
    with pytest.raises(ValueError, match="shows the maps of a conv_gru"):
        fig11.make(here)


@pytest.mark.slow
def test_a_runner_trains_as_a_program_and_fails_in_one_line(place):
    run = functools.partial(run_module, "paper.fig10", cwd=place)
    done = run("--budget=tiny", "--data=drawn", "--out=program")
    assert done.returncode == 0, done.stderr
    assert "rcsr: update 2 of 2, validation" in done.stderr
    assert (place / "program/fig10.png").is_file()
    assert "--budget=tiny" in (place / "program/fig10.md").read_text()
    params, trained = load_params(place / "program/models/rcsr")
    assert trained.data.drawn_faces == 16
    assert params["network"]["features"]["w1"].shape == (9, 9, 1, 4)
    failed = run("--data=nowhere", "--out=program")
    assert failed.returncode == 1
    assert "error: nowhere: no part of 300-W lies here" in failed.stderr
    assert "--budget" in run("--help").stdout
