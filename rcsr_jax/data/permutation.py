"""A random permutation of any number of things, worked out place by place.

Shuffling a million faces takes half a second, and whoever goes on in the middle of an epoch
has to do it again. Here each place is looked up alone, in time and memory that do not grow
with the set: a Feistel network with a modulus for each half (Black and Rogaway, Ciphers
with Arbitrary Finite Domains, 2002).
"""

import numpy as np

_ROUNDS = 8
# splitmix64's finaliser
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def permuted(places: np.ndarray, *, count: int, key: tuple[int, ...]) -> np.ndarray:
    """What a permutation has in these places.

    Args:
        places: int [...], from 0 to `count` - 1.
        count: things that are permuted.
        key: names the permutation; ints from 0.

    Returns:
        int64, of the same shape: all of them from 0 to `count` - 1, each once, where
        `places` are.

    Raises:
        ValueError: a place is outside.
    """
    places = np.asarray(places)
    if places.size and not 0 <= places.min() <= places.max() < count:
        raise ValueError(
            f"places must be from 0 to {count - 1}; got {places.min()} to "
            f"{places.max()}."
        )
    # equal on every machine and with every version of NumPy
    keys = np.random.SeedSequence(key).generate_state(_ROUNDS, np.uint64)
    sides = _sides(count)
    found = places.astype(np.uint64).ravel()
    outside = np.arange(found.size)
    while outside.size:  # the rectangle has a few places more than there are things
        found[outside] = _exchanged(found[outside], keys, sides)
        outside = outside[found[outside] >= count]
    return found.astype(np.int64).reshape(places.shape)


def _sides(count: int) -> tuple[np.uint64, np.uint64]:
    """The sides of the rectangle, nearly a square, that the places are laid out in."""
    side = max(int(np.ceil(np.sqrt(count))), 1)
    return np.uint64(side), np.uint64(max(-(-count // side), 1))


def _exchanged(
    values: np.ndarray, keys: np.ndarray, sides: tuple[np.uint64, np.uint64]
) -> np.ndarray:
    """A permutation of the whole rectangle."""
    halves = [values % sides[0], values // sides[0]]
    for number, key in enumerate(keys):
        here = number % 2
        shift = _mixed(halves[1 - here] ^ key) % sides[here]
        halves[here] = (halves[here] + shift) % sides[here]
    return halves[0] + halves[1] * sides[0]


def _mixed(values: np.ndarray) -> np.ndarray:
    for shift, factor in _MIX:
        values = (values ^ (values >> np.uint64(shift))) * np.uint64(factor)
    return values ^ (values >> np.uint64(31))
