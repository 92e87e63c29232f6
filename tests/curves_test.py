"""Tests of rcsr_jax.curves."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from rcsr_jax import curves, metrics


def test_the_ced_file_is_a_picture_with_the_numbers(tmp_path, monkeypatch):
    labels = []
    save = Figure.savefig

    def spy(figure, path):
        labels.extend(text.get_text() for text in figure.legends[0].texts)
        save(figure, path)

    monkeypatch.setattr(Figure, "savefig", spy)
    errors = [0.02, 0.04, 0.08, 0.1]
    curves.save_ced(tmp_path / "ced.png", {"ours": errors, "mean shape": [0.2]})
    with Image.open(tmp_path / "ced.png") as picture:
        assert picture.format == "PNG"
        assert np.ptp(np.asarray(picture.convert("L"))) > 100
    area = 100 * metrics.auc(errors)
    assert labels == [
        f"ours: AUC {area:.1f} %, failures 25.0 %",
        "mean shape: AUC 0.0 %, failures 100.0 %",
    ]


def test_the_convergence_file_is_a_picture(tmp_path):
    curves.save_convergence(tmp_path / "steps.png", {"ours": {3: 4.0, 1: 6.0, 2: 4.5}})
    with Image.open(tmp_path / "steps.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("save", [curves.save_ced, curves.save_convergence])
@pytest.mark.parametrize("given", [{}, {"ours": {}}])
def test_plots_without_curves_are_refused(save, given, tmp_path):
    with pytest.raises(ValueError, match="curves with values"):
        save(tmp_path / "plot.png", given)


def test_the_sweeps_file_has_a_panel_for_each_disturbance(tmp_path, monkeypatch):
    drawn = {}
    save = Figure.savefig

    def spy(figure, path):
        for axes in figure.axes:
            lines = {line.get_label(): line.get_xydata() for line in axes.lines}
            drawn[axes.get_xlabel()] = lines
        save(figure, path)

    monkeypatch.setattr(Figure, "savefig", spy)
    panels = {
        "shift": {"ours": {0.1: 5.0, 0.0: 4.0}, "theirs": {0.1: 9.0, 0.0: 6.0}},
        "scale": {"ours": {1.0: 4.0}, "theirs": {1.0: 6.0}},
        "turn": {"ours": {-10: 4.5}, "theirs": {-10: 7.0}},
    }
    curves.save_sweeps(tmp_path / "sweeps.png", panels)
    assert list(drawn) == ["shift", "scale", "turn"]
    np.testing.assert_array_equal(drawn["shift"]["ours"], [[0, 4], [0.1, 5]])
    np.testing.assert_array_equal(drawn["turn"]["theirs"], [[-10, 7]])
    with Image.open(tmp_path / "sweeps.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize("panels", [{}, {"shift": {}}, {"shift": {"ours": {}}}])
def test_sweeps_without_curves_are_refused(panels, tmp_path):
    with pytest.raises(ValueError, match="with (curves|values)"):
        curves.save_sweeps(tmp_path / "sweeps.png", panels)


def test_the_scale_of_the_sweeps_ends_at_four_times_the_least_error(
    tmp_path, monkeypatch
):
    seen = []
    save = Figure.savefig

    def spy(figure, path):
        seen.append([axes.get_ylim() for axes in figure.axes])
        save(figure, path)

    monkeypatch.setattr(Figure, "savefig", spy)
    for lost in (90.0, np.inf, 6.0):
        panels = {"shift": {"ours": {0.0: 4.0}}, "turn": {"ours": {0: 5.0, 45: lost}}}
        curves.save_sweeps(tmp_path / "sweeps.png", panels)
    np.testing.assert_allclose(seen, [[(0, 16)] * 2, [(0, 5.25)] * 2, [(0, 6.3)] * 2])


def test_a_trade_off_has_a_dot_for_each_model_and_a_level_a_line(tmp_path, monkeypatch):
    drawn = {}
    save = Figure.savefig

    def spy(figure, path):
        (axes,) = figure.axes
        drawn[path.name] = {line.get_label(): line for line in axes.lines}
        drawn[path.name]["texts"] = [text.get_text() for text in axes.texts]
        save(figure, path)

    monkeypatch.setattr(Figure, "savefig", spy)
    series = {"one layer": {"0": (0.5, 6.0), "5": (4.0, 5.5)}, "two": {"0": (0.6, 6.1)}}
    curves.save_trade_off(tmp_path / "time.png", series)
    dots = drawn["time.png"]["one layer"].get_xydata()
    np.testing.assert_array_equal(dots, [[0.5, 6.0], [4.0, 5.5]])
    assert drawn["time.png"]["texts"] == ["0", "5", "0"]
    curves.save_convergence(
        tmp_path / "moved.png", {"all": {1: 2.0, 2: 0.1}}, level=("threshold", 0.3)
    )
    np.testing.assert_array_equal(
        drawn["moved.png"]["threshold"].get_ydata(), [0.3] * 2
    )
    with pytest.raises(ValueError, match="curves with values"):
        curves.save_trade_off(tmp_path / "none.png", {})
