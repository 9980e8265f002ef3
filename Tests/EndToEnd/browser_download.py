"""Chromium's own download, resumed as its user would: an extension's page stands in for the hand that clicks."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

_MANIFEST = {
    "manifest_version": 3,
    "name": "Downloads of the test",
    "version": "1",
    "permissions": ["downloads"],
    "background": {"service_worker": "worker.js"},
}
# One stream, so that what is asked for next is what the file lacks; downloads in parts are aria2's to show.
_ARGUMENTS = ["--no-sandbox", "--headless=new", "--no-proxy-server", "--disable-features=ParallelDownloading"]


class BrowserFailed(RuntimeError):
    """The browser gave a download up."""


def download(url: str, target: Path, folder: Path, interrupted: Callable[[int], None], seconds: float = 300) -> None:
    """Fetches `url` into `target`; the browser lives in `folder`. Whenever it leaves it to its user whether to go on,
    `interrupted` hears how many bytes it counts; after some breaks it goes on by itself, five times at most."""
    with _page(folder) as page:
        # A page, not the extension's worker: what a worker asks for counts as the browser's own try, of which it
        # makes five; what happens on a page can be the user's will.
        number = page.evaluate("url => chrome.downloads.download({url})", url)
        deadline = time.monotonic() + seconds
        while True:
            state: dict[str, Any] = page.evaluate("id => chrome.downloads.search({id}).then(all => all[0])", number)
            if state["state"] == "complete":
                # The browser's own copy goes with it.
                shutil.copyfile(state["filename"], target)
                return
            if time.monotonic() > deadline:
                raise BrowserFailed(f"chromium has not fetched {url} in {seconds:.0f} s: {state}")
            if state["state"] == "in_progress":
                page.wait_for_timeout(20)
            elif not state.get("canResume"):
                raise BrowserFailed(f"chromium gave up: {state}")
            else:
                interrupted(int(state["bytesReceived"]))
                page.evaluate(
                    """async id => {
                        const left = new Promise(done => chrome.downloads.onChanged.addListener(
                            change => { if (change.id === id && change.state) done(); }));
                        await chrome.downloads.resume(id);
                        await Promise.race([left, new Promise(done => setTimeout(done, 2000))]);
                    }""",
                    number,
                )


@contextmanager
def _page(folder: Path) -> Iterator[Page]:
    """A page that may use `chrome.downloads`, in a browser that knows nothing yet."""
    extension = folder / "extension"
    extension.mkdir(parents=True)
    (extension / "manifest.json").write_text(json.dumps(_MANIFEST))
    (extension / "worker.js").write_text("chrome.runtime.onInstalled.addListener(() => {});\n")
    (extension / "page.html").write_text("<!doctype html><title>Downloads</title>\n")
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=shutil.which("chromium") or "/usr/bin/chromium",
            headless=False,
            downloads_path=folder / "downloads",
            ignore_default_args=["--disable-extensions"],
            args=[*_ARGUMENTS, f"--disable-extensions-except={extension}", f"--load-extension={extension}"],
        )
        try:
            workers = context.service_workers
            worker = workers[0] if workers else context.wait_for_event("serviceworker", timeout=60_000)
            page = context.new_page()
            page.goto(worker.url.replace("worker.js", "page.html"))
            yield page
        finally:
            context.close()
