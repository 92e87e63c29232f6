"""The smallest markup of a face: two eyes that mirror each other, and a nose."""

from rcsr_jax.markup import Markup

THREE = Markup(name="three", mirror=(1, 0, 2), eye_corners=(0, 1), eyes=((0,), (1,)))
