"""What programs tell when they have finished."""

from rcsr_jax.experiments.outputs import bar, shift_advice, tell_refused

from rcsr_jax.data.refusals import Refusal


def test_annotation_beside_the_answers_is_told_with_the_remedy():
    assert shift_advice([0.5, -0.5]) == ""
    told = shift_advice([1.26, -0.31])
    assert "+1.3 % of the eye distance to the right" in told and "-0.3 % below" in told
    assert "experiments.calibrate" in told


def test_those_that_are_not_told_are_counted(capsys):
    refused = [Refusal(f"{n}.jpg", "no picture") for n in range(14)]
    tell_refused(refused)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 11 and lines[9] == "left out 9.jpg: no picture"
    assert lines[10] == "and 4 more"
    tell_refused(refused[:10])
    assert "more" not in capsys.readouterr().err


def test_a_daemon_without_a_terminal_has_no_bar(monkeypatch):
    monkeypatch.setattr("sys.stderr", None)
    assert list(bar([1, 2])) == [1, 2]
