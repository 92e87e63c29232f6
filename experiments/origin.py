"""What results were made of: a photo or a video, and the settings; kept in their JSON."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rcsr_jax.data.whole_files import checksum

from .inputs import Input


def origin_of(given: Input, *, made_with: str) -> dict[str, Any]:
    """What tells results of one file and of some settings from all others.

    Args:
        given: the photo or video; what is no file, such as a camera, has no content.
        made_with: tells results of other settings apart.
    """
    there = given.path.is_file()
    return {
        "image": given.name,
        "bytes": _num_bytes(given.path),
        "sha256": checksum(given.path) if there else None,
        "made_with": made_with,
    }


def is_of(content: Mapping[str, Any], given: Input, *, made_with: str) -> bool:
    """Whether results are of this photo or video, with these settings.

    Args:
        content: their JSON.
        given: the photo or video.
        made_with: tells results of other settings apart.
    """
    made_of = (given.name, _num_bytes(given.path), made_with)
    keys = ("image", "bytes", "made_with")
    if tuple(content.get(key) for key in keys) != made_of:
        return False
    known = content.get("sha256")  # results of earlier versions lack it
    return known is None or known == checksum(given.path)


def read_object(path: Path) -> dict[str, Any] | None:
    """What a JSON file holds; nothing where it is broken, None where there is none."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}


def _num_bytes(path: Path) -> int:
    try:
        return os.path.getsize(path)  # noqa: PTH202
    except OSError:
        return -1
