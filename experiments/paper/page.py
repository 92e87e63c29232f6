"""One page of all results: what the runners wrote, in the paper's order.

python -m experiments.paper.page --results=DIR --out=results.md
"""

import json
import os
from pathlib import Path

from absl import flags

from .. import settings
from .results import ORDER


def make(folder: Path, out: Path) -> list[str]:
    """Writes the pages of the runners below a folder as one, links and all.

    Args:
        folder: where results.json files lie, at any depth.
        out: the Markdown file.

    Returns:
        The names of the runners that are on it.

    Raises:
        ValueError: there are none, or two of one runner.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("results.json")):
        name = json.loads(path.read_text(encoding="utf-8")).get("name")
        if name in found:
            raise ValueError(f"{found[name]} and {path.parent} both hold {name}.")
        if name in ORDER:
            found[name] = path.parent
    if not found:
        raise ValueError(f"{folder} holds no results.json of a table or figure.")
    names = [name for name in ORDER if name in found]
    out.parent.mkdir(parents=True, exist_ok=True)
    pages = []
    for name in names:
        page = (found[name] / f"{name}.md").read_text(encoding="utf-8")
        where = Path(os.path.relpath(found[name], out.parent)).as_posix()
        pages.append(page.replace("](", f"]({where}/").replace("# ", "## ", 1))
    absent = [name for name in ORDER if name not in found]
    told = f"Not there: {', '.join(absent)}.\n" if absent else ""
    text = "\n".join(["# Tables and figures of the paper\n", told, *pages])
    out.write_text(text, encoding="utf-8")
    return names


def run() -> None:
    """The program."""
    results = flags.DEFINE_string(
        "results", None, "Folder of the runners' folders.", required=True
    )
    out = flags.DEFINE_string("out", None, "The page, a .md file.", required=True)

    def main(arguments: list[str]) -> None:
        settings.no_arguments(arguments)
        names = make(Path(results.value), Path(out.value))
        print(f"wrote {out.value}: {', '.join(names)}")

    settings.run(main)


if __name__ == "__main__":
    run()
