"""`make screenshots`: the pictures of the page that the documents show, over the handbook of the demo."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from ingest import pipeline
from ragbot import Memory
from ragbot.server.app import create_app
from ragbot.server.config import ServerConfig
from ragbot.server.listening import listen
from ragbot.server.run import server_of

HERE = Path(__file__).parent
PICTURES = HERE / "images"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


def taken(page: Page, url: str) -> None:
    """Ask, open a source, look at the documents; a picture of each."""
    page.goto(url)
    for number, question in enumerate(("When is the makerspace open on Saturday?", "May I cut PVC on the laser?"), 1):
        page.fill("#message", question)
        page.press("#message", "Enter")
        page.locator(f"#log article:nth-of-type({number}) .cite").first.wait_for(timeout=60_000)
    page.locator("#log article:nth-of-type(2) .cite").first.click()
    page.locator("#drawer img").wait_for()
    page.wait_for_load_state("networkidle")
    page.screenshot(path=PICTURES / "chat.png")
    page.emulate_media(color_scheme="dark")
    page.set_viewport_size({"width": 390, "height": 780})
    page.click("[data-close]")
    page.screenshot(path=PICTURES / "phone.png")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1200, "height": 640})
    page.goto(f"{url}/sources")
    page.screenshot(path=PICTURES / "sources.png")


def made_small(picture: Path) -> None:
    """Keep as many colours as a page has."""
    with Image.open(picture) as image:
        image.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(picture, optimize=True)


def main() -> None:
    """Serve the handbook on loopback for as long as it takes."""
    PICTURES.mkdir(exist_ok=True)
    path = os.environ.get("RAGBOT_BROWSER") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
    with tempfile.TemporaryDirectory() as folder, Memory.open(Path(folder) / "indexes") as memory:
        shutil.copytree(HERE / "demo" / "handbook", Path(folder) / "handbook")
        pipeline.sync(memory, Path(folder) / "handbook")
        config = ServerConfig(port=0)
        with listen(config) as listening, sync_playwright() as playwright:
            server = server_of(create_app(memory, config, keys=False), config)
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
            thread.start()
            try:
                while not server.started:
                    time.sleep(0.01)
                browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
                page = browser.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
                taken(page, f"http://127.0.0.1:{listening.getsockname()[1]}")
                browser.close()
                for picture in PICTURES.glob("*.png"):
                    made_small(picture)
            finally:
                server.should_exit = True
                thread.join()


if __name__ == "__main__":
    main()
