"""A headless Chromium for tests of pages, that reaches nothing but this machine."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LOCAL = ("file:", "data:", "blob:", "http://127.0.0.1:", "ws://127.0.0.1:")


@contextlib.contextmanager
def open_browser(profile: Path, *, camera: Path | None = None, **options) -> Iterator:
    """A browser context that fails the test where a page complains or looks outside.

    Args:
        profile: a fresh folder for it.
        camera: what its camera shows over and over, a file of raw frames (.y4m).
        options: of the context: `viewport`, `color_scheme` and others of Playwright's.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason='needs Playwright: pip install ".[dev]"'
    )
    program = next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None:
        pytest.skip(f"needs a browser: one of {', '.join(_NAMES)} on the PATH")
    complaints = []
    with playwright.sync_playwright() as running:
        context = running.chromium.launch_persistent_context(
            profile,
            executable_path=program,
            headless=True,
            chromium_sandbox=False,
            args=[*_FLAGS, *([] if camera is None else _film(camera))],
            **options,
        )
        context.set_default_timeout(120_000)  # milliseconds; machines may be busy
        context.on("console", lambda said: _note(complaints, said))
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        context.on("request", lambda request: _note_outside(complaints, request.url))
        try:
            yield context
        finally:
            context.close()
    assert not complaints, "\n".join(complaints)


def _film(camera: Path) -> list[str]:
    return [
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={camera}",
    ]


def _note(complaints: list[str], said) -> None:
    if said.type == "error":
        complaints.append(said.text)


def _note_outside(complaints: list[str], url: str) -> None:
    if not url.startswith(_LOCAL):
        complaints.append(f"looked outside: {url}")
