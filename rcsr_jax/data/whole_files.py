"""Files that are there whole or not at all."""

from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Gives a file a new content: who is killed meanwhile leaves the old one.

    The text is written under another name, which then becomes the file's own.

    Args:
        path: of the file; its folder exists.
        text: the content, in UTF-8; its line ends are kept as they are.
    """
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.write_text(text, encoding="utf-8", newline="")
    unfinished.replace(path)
