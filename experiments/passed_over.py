"""Files of a folder that are not read: counted by suffix, and told."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rcsr_jax.data.images import UNREAD_SUFFIXES
from rcsr_jax.data.names import shown

# What our own programs leave beside photos, or read there.
_OURS = (".csv", ".json", ".parquet", ".pts", ".unfinished", ".xml")
_KEPT = ".csv.corrected"  # in the name of a table of ours that somebody has corrected
_MOST = 8  # suffixes that are told
_LONGEST = 20  # characters of one


def count_passed(paths: Iterable[Path]) -> dict[str, int]:
    """How many files there are of each suffix, in lower case, the most first.

    Args:
        paths: that are passed over; annotation and results do not count.
    """
    suffixes = Counter(
        shown(path.suffix.lower(), limit=_LONGEST)
        for path in paths
        if path.suffix.lower() not in _OURS and _KEPT not in path.name
    )
    ordered = sorted(suffixes.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered)


def is_to_convert(suffix: str) -> bool:
    """Whether files of this suffix are photos, but of a kind that is not read."""
    return suffix.lower() in UNREAD_SUFFIXES


def passed_message(counts: Mapping[str, int], *, reasons: Sequence[str] = ()) -> str:
    """What is told of files that are passed over, with the remedy; empty: there are none.

    Args:
        counts: from `count_passed`.
        reasons: why there are such among them as could be read, with the remedy.
    """
    if not counts:
        return ""
    total = sum(counts.values())
    kinds = [f"{n} {suffix or 'without suffix'}" for suffix, n in counts.items()]
    more = [f"{len(kinds) - _MOST} other suffixes"] if len(kinds) > _MOST else []
    told = f"{total} file{'s' if total > 1 else ''} passed over: "
    told += ", ".join(kinds[:_MOST] + more)
    if photos := [suffix for suffix in counts if is_to_convert(suffix)]:
        told += f"; to use {', '.join(photos)}, convert it to JPEG first"
        if any(suffix.startswith(".hei") for suffix in photos):
            told += ', or for HEIC pip install "rcsr-jax[heic]"'
    return "; ".join([told, *reasons])
