"""What programs tell when they have finished."""

from rcsr_jax.experiments.outputs import shift_advice


def test_annotation_beside_the_answers_is_told_with_the_remedy():
    assert shift_advice([0.5, -0.5]) == ""
    told = shift_advice([1.26, -0.31])
    assert "+1.3 % of the eye distance to the right" in told and "-0.3 % below" in told
    assert "experiments.calibrate" in told
