"""Tests of rcsr_jax.report.charts and rcsr_jax.report.diagrams."""

import numpy as np
import pytest

from rcsr_jax import metrics
from rcsr_jax.report import diagrams
from rcsr_jax.report.charts import chart


def test_curves_are_shares_of_their_axes():
    drawn = chart({"a": ([0, 5, 10], [2, 4, 1])}, x_ticks=[0, 10], y_ticks=[0, 2, 4])
    assert drawn.lines == [("a", [(0, 0.5), (0.5, 1), (1, 0.25)])]
    assert drawn.y_ticks == [(0, "0"), (0.5, "2"), (1, "4")]


def test_axes_reach_beyond_curves_and_dots():
    drawn = chart({"a": ([1, 2], [3, 4])}, dots={"a": (7, 9)}, whole_x=True)
    assert [tick.label for tick in drawn.x_ticks] == [str(n) for n in range(8)]
    ((x, y),) = drawn.dots[0].points
    assert x == 1 and 0.8 < y <= 1


def test_what_is_not_finite_is_left_out():
    drawn = chart({"a": ([1, 2, 3], [np.nan, np.inf, 2]), "b": ([1], [np.nan])})
    assert [(line.name, len(line.points)) for line in drawn.lines] == [("a", 1)]
    assert chart({"b": ([1], [np.nan])}) is None and chart({}) is None


def test_the_ced_goes_through_the_shares_of_faces():
    errors = [0.02, 0.04, 0.08, 0.1]
    (line,) = diagrams.ced({"ours": errors}).lines
    x, y = np.array(line.points).T
    assert x[[0, -1]].tolist() == [0, 1]
    expected = metrics.ced(errors, thresholds=np.array([0.03, 0.05, 0.08]))
    np.testing.assert_allclose(np.interp([3 / 8, 5 / 8, 1], x, y), expected)
    assert diagrams.ced({}) is None


def summary(error, **more):
    return {"nme_interocular": error, "by_region": {"jaw": 2 * error}, **more}


def test_steps_hold_methods_regions_and_where_they_stop():
    by_step = {"10": summary(4.0), "2": summary(6.0)}
    whole = summary(3.9, by_step=by_step, num_steps_mean=4.5)
    drawn = diagrams.steps({"ours": whole, "mean shape": summary(16.0)})
    assert [line.name for line in drawn.lines] == ["ours", "jaw"]
    ours, jaw = (np.array(line.points) for line in drawn.lines)
    assert (np.diff(ours[:, 0]) > 0).all()  # 2 before 10, though "10" < "2"
    np.testing.assert_allclose(jaw[:, 1], 2 * ours[:, 1])
    assert [dot.name for dot in drawn.dots] == ["ours"]
    assert diagrams.steps({"ours": summary(4.0)}) is None


def test_trust_is_drawn_where_it_is_known():
    curve = {"coverage": [50, 100], "risk": [3, 4], "risk_of_best_order": [2, 4]}
    found = {"expected": [1, 3], "actual": [1.5, None]}
    whole = {"trust": {"reliability": found, "risk_coverage": curve}}
    true, expected = diagrams.reliability(whole).lines
    assert len(true.points) == 1 and true.points[0][1] > true.points[0][0]
    assert all(x == y for x, y in expected.points)
    assert [line.points[-1] for line in diagrams.risk(whole).lines] == [(1.0, 1.0)] * 3
    for empty in ({}, {"trust": {"num_judged": 0}}):
        assert diagrams.reliability(empty) is None and diagrams.risk(empty) is None


def test_a_number_may_have_been_null():
    assert np.isnan(diagrams.number(None)) and diagrams.number(2) == pytest.approx(2)
