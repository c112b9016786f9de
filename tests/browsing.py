"""A real browser for the tests of the page: a headless Chromium without extensions, updates, or a way out."""

import os
import shutil
from contextlib import contextmanager

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@contextmanager
def browser():
    """A Chromium: the one that RAGBOT_BROWSER names, one of the system, or the one that Playwright brought."""
    path = os.environ.get("RAGBOT_BROWSER") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with sync_playwright() as started:
        running = started.chromium.launch(executable_path=path, args=FLAGS)
        yield running
        running.close()


def violations(page):
    """What axe finds that is serious or critical, and how many rules were met: a run that looked at nothing is no pass."""
    found = Axe().run(page).response
    assert len(found["passes"]) > 10
    return [
        (one["id"], [node["target"] for node in one["nodes"]])
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]
