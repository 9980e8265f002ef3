"""A real browser (Debian's chromium) in front of a control plane of its own, with two appliances to claim."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from artstore.programs import Appliance, ControlPlane
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Playwright, Response, expect

PASSWORD = "a password of my own, 2026"


@dataclass
class Troubles:
    """What a page must never do, gathered while it is used."""

    found: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.found.append(f"script error: {error}"))
        page.on("console", self._hear)
        page.on("response", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        # A live page that is left breaks off its event stream; chromium calls that an error, but it is none.
        if message.type == "error" and "/events" not in message.location.get("url", ""):
            self.found.append(f"browser says: {message.text}")

    def _see(self, response: Response) -> None:
        if response.status >= 500:
            self.found.append(f"{response.status} from {response.url}")


@dataclass
class ConsoleSite:
    """The console with its browser; every page it opens is watched."""

    plane: ControlPlane
    appliances: dict[str, Appliance]
    browser: Browser
    one_time_password: str
    troubles: Troubles = field(default_factory=Troubles)

    @property
    def url(self) -> str:
        return self.plane.url("console")

    @contextmanager
    def visitor(self, language: str = "en-GB", script: bool = True, width: int = 1280) -> Iterator[Page]:
        """A browser that knows nothing yet."""
        context = self.browser.new_context(
            base_url=self.url,
            locale=language,
            java_script_enabled=script,
            viewport={"width": width, "height": 900},
        )
        try:
            yield self._page(context)
        finally:
            context.close()

    @contextmanager
    def administrator(self, language: str = "en-GB", script: bool = True, width: int = 1280) -> Iterator[Page]:
        """A browser in which the administrator is signed in."""
        with self.visitor(language, script, width) as page:
            sign_in(page, "admin", PASSWORD)
            expect(page).to_have_url(re.compile(r":\d+/$"))
            yield page

    def _page(self, context: BrowserContext) -> Page:
        page = context.new_page()
        page.set_default_timeout(20_000)
        self.troubles.watch(page)
        return page


def sign_in(page: Page, login: str, password: str) -> None:
    page.goto("/login")
    page.locator("[name=login]").fill(login)
    page.locator("[name=password]").fill(password)
    page.locator("main button[type=submit]").click()


def launch(playwright: Playwright) -> Browser:
    chromium = shutil.which("chromium") or "/usr/bin/chromium"
    return playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])


def printed_password(plane: ControlPlane) -> str:
    """The one-time password that the first start prints for the operator."""
    for line in plane.process.output().splitlines():
        if '"first_administrator"' in line:
            return str(json.loads(line)["one_time_password"])
    raise AssertionError("the control plane printed no one-time password:\n" + plane.process.tail())


def without_given_password(plane: ControlPlane) -> ControlPlane:
    """So that the program makes a one-time password itself."""
    del plane.settings["CP_FIRST_ADMIN_PASSWORD"]
    return plane


def sample(directory: Path, name: str, content: bytes) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / name
    path.write_bytes(content)
    return path
