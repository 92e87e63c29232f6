"""Names of images and other texts from outside: which are taken, and how they are shown.

A name goes into tables, XML, web pages and terminals, so one that these cannot carry is
refused where it comes in.
"""

import re
import unicodedata
from typing import Any

# Control characters and line separators; halves of a surrogate pair, which is what bytes
# that are no UTF-8 become in the name of a file; what XML has no place for.
_UNFIT = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_LONGEST = 4096  # characters; no system opens a longer path


def name_problem(name: str) -> str:
    """Why an image of this name is not taken; empty: it is."""
    if not name:
        return "its name is empty"
    if len(name) > _LONGEST:
        return f"its name has {len(name)} characters, more than any file"
    if _UNFIT.search(name):
        return "its name has control characters or is no UTF-8; rename it"
    return ""


def one_spelling(name: str) -> str:
    """A name to look others up by: an accent is one character or two, as systems differ."""
    return unicodedata.normalize("NFC", name)


def spellings(name: str) -> list[str]:
    """A name as it is, then as other systems spell its accents."""
    apart = unicodedata.normalize("NFD", name)
    return list(dict.fromkeys([name, one_spelling(name), apart]))


def shown(value: Any, *, limit: int = 200) -> str:
    """A value as a text for messages: no control characters, and not too long.

    Args:
        value: anything; mostly a text from a file.
        limit: characters, about.
    """
    text = str(value)
    text = text if len(text) <= limit else f"{text[:limit]}..."
    return _UNFIT.sub(lambda found: ascii(found[0])[1:-1], text)
