"""The colours of people and of the things around them, in levels from 0 to 255."""

from typing import NamedTuple

import numpy as np

_SKIN = np.array(
    [
        (252, 224, 204),
        (243, 205, 176),
        (226, 180, 146),
        (196, 144, 106),
        (150, 100, 70),
        (108, 70, 50),
        (84, 56, 45),
    ],
    dtype=np.float64,
)
_HAIR = np.array(
    [
        (28, 24, 26),
        (52, 36, 30),
        (88, 58, 38),
        (126, 84, 50),
        (196, 152, 88),
        (226, 200, 140),
        (152, 70, 38),
        (150, 148, 148),
        (226, 224, 222),
    ],
    dtype=np.float64,
)
_IRIS = np.array(
    [
        (70, 44, 28),
        (44, 30, 24),
        (98, 76, 40),
        (86, 122, 78),
        (84, 128, 168),
        (120, 136, 146),
    ],
    dtype=np.float64,
)


class Palette(NamedTuple):
    """The colours of one person, each float64 [3] from 0 to 255."""

    skin: np.ndarray
    shadow: np.ndarray
    hair: np.ndarray
    brow: np.ndarray
    iris: np.ndarray
    lip: np.ndarray


def any_colour(
    rng: np.random.Generator, *, low: float = 20, high: float = 240
) -> np.ndarray:
    """float64 [3], a colour of cloth, card or wall, from pale to strong."""
    colour = rng.uniform(low, high, size=3)
    return colour.mean() + rng.uniform(0.2, 1.0) * (colour - colour.mean())


def skin_colour(rng: np.random.Generator) -> np.ndarray:
    """float64 [3], the colour of somebody's skin."""
    place = rng.uniform(0, len(_SKIN) - 1)
    levels = np.arange(len(_SKIN))
    tone = np.array([np.interp(place, levels, _SKIN[:, c]) for c in range(3)])
    return tone + rng.normal(scale=5, size=3)


def random_palette(rng: np.random.Generator) -> Palette:
    """The colours of a person; hair that never grows on a head is rare but there."""
    skin = skin_colour(rng)
    # Fair hair is for fair skin, mostly; the last two are the greys of age.
    fair = skin.mean() > 140 or rng.random() < 0.15
    choice = (
        rng.integers(len(_HAIR)) if fair else (0, 0, 0, 1, 1, 2, 7, 8)[rng.integers(8)]
    )
    hair = _HAIR[choice] * rng.uniform(0.75, 1.15)
    if rng.random() < 0.06:
        hair = any_colour(rng)
    brow = 0.5 * hair + 0.3 * skin * rng.uniform(0.2, 0.7)
    rosy = skin * (0.90, 0.62, 0.62) + (10, 4, 8)
    painted = np.array(
        [rng.uniform(110, 215), rng.uniform(20, 70), rng.uniform(40, 100)]
    )
    strength = rng.uniform(0.4, 0.9) if rng.random() < 0.25 else rng.uniform(0, 0.12)
    return Palette(
        skin=skin,
        shadow=skin * (0.62, 0.50, 0.48),
        hair=hair,
        brow=brow,
        iris=_IRIS[rng.integers(len(_IRIS))] * rng.uniform(0.8, 1.2),
        lip=rosy + strength * (painted - rosy) + rng.normal(scale=5, size=3),
    )
