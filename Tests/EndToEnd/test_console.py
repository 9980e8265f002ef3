"""The console in a real browser: from the one-time password to a document that comes back unchanged.

The tests of this file follow each other as an administrator's first day does; each can also be run alone, because what
it needs is a fixture.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane
from console_browser import (
    PASSWORD,
    ConsoleSite,
    launch,
    printed_password,
    sample,
    sign_in,
    without_given_password,
)
from playwright.sync_api import Page, expect, sync_playwright

NAME = "Отчёт о «проверке» складов № 12.txt"
CONTENT = "Проверка складов прошла успешно.\n".encode() * 9000


@pytest.fixture(scope="module")
def site(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[ConsoleSite]:
    """Fresh: nobody has signed in, nothing is claimed."""
    directory = scratch / "console"
    plane = without_given_password(ControlPlane(directory, postgres.create_database("console"), programs))
    appliances = {mode: Appliance(directory / mode, mode, f"console-{mode}", programs) for mode in ("edit", "rw")}
    try:
        plane.start()
        for appliance in appliances.values():
            appliance.start()
        with sync_playwright() as playwright:
            browser = launch(playwright)
            yield ConsoleSite(plane, appliances, browser, printed_password(plane))
            browser.close()
    finally:
        for appliance in appliances.values():
            appliance.stop()
        plane.stop()


@pytest.fixture(scope="module")
def opened(site: ConsoleSite) -> ConsoleSite:
    """The one-time password has been replaced; the way there is tested as it goes."""
    with site.visitor() as page:
        page.goto("/files")
        expect(page).to_have_url(re.compile(r"/login\?next=%2Ffiles$"))
        sign_in(page, "admin", site.one_time_password)
        expect(page.get_by_role("heading", name="Choose your own password")).to_be_visible()
        for path in ("/", "/files", "/access"):
            page.goto(path)
            expect(page).to_have_url(re.compile("/settings/password$"))
        page.locator("[name=current]").fill(site.one_time_password)
        page.locator("[name=new]").fill(PASSWORD)
        page.locator("[name=again]").fill(PASSWORD + "?")
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_role("alert")).to_contain_text("differ")
        page.locator("[name=current]").fill(site.one_time_password)
        page.locator("[name=new]").fill(PASSWORD)
        page.locator("[name=again]").fill(PASSWORD)
        page.get_by_role("button", name="Change password").click()
        expect(page.get_by_text("Your password was changed")).to_be_visible()
        expect(page.get_by_text("No storage elements yet")).to_be_visible()
    return site


@pytest.fixture(scope="module")
def claimed(opened: ConsoleSite) -> ConsoleSite:
    with opened.administrator() as page:
        for mode, appliance in opened.appliances.items():
            claim(page, appliance, f"Север {mode}")
            expect(page.get_by_role("status").first).to_contain_text("claimed and registered")
    return opened


def claim(page: Page, appliance: Appliance, name: str) -> None:
    page.goto("/storage-elements")
    page.get_by_role("link", name="Add storage element").first.click()
    page.get_by_label("Address").fill(appliance.url)
    page.get_by_role("button", name="Check address").click()
    expect(page.locator("#discovery")).to_contain_text("An appliance answers")
    expect(page.locator("#discovery")).to_contain_text(appliance.mode)
    page.get_by_label("Claim code").fill(appliance.claim_code())
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Claim", exact=True).click()


@pytest.fixture(scope="module")
def uploaded(claimed: ConsoleSite, scratch: Path) -> ConsoleSite:
    """One document by the script's upload, one by the plain form."""
    with claimed.administrator() as page:
        page.goto("/files/upload")
        page.get_by_label("Description").fill("Итоги года")
        page.get_by_label("Tags").fill("отчёт, склад")
        page.get_by_label("Choose documents").set_input_files(sample(scratch / "uploads", NAME, CONTENT))
        page.get_by_role("button", name="Upload", exact=True).click()
        item = page.locator(".upload-item")
        expect(item).to_contain_text("Stored", timeout=60_000)
        item.get_by_role("link").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(NAME)
    with claimed.administrator(script=False) as page:
        page.goto("/files/upload")
        page.get_by_label("Retention").select_option("permanent")
        page.get_by_label("Choose documents").set_input_files(
            sample(scratch / "uploads", "plain form.bin", b"\0\1" * 999)
        )
        page.get_by_role("button", name="Upload", exact=True).click()
        expect(page.get_by_text("The document is stored")).to_be_visible()
    return claimed


def test_a_wrong_password_is_told_without_saying_what_was_wrong(opened: ConsoleSite) -> None:
    with opened.visitor() as page:
        for login in ("admin", "nobody"):
            sign_in(page, login, "surely not this one")
            expect(page.get_by_role("alert")).to_contain_text("Login, password or code is wrong")


def test_documents_lie_where_their_retention_says(uploaded: ConsoleSite) -> None:
    assert [path.suffix for path in uploaded.appliances["edit"].documents()] == [".txt"]
    assert [path.suffix for path in uploaded.appliances["rw"].documents()] == [".bin"]


def test_a_document_is_found_in_russian_and_comes_back_unchanged(uploaded: ConsoleSite, directory: Path) -> None:
    with uploaded.administrator("ru-RU") as page:
        page.goto("/files")
        page.get_by_label("Поиск документов").fill("отчеты о складе")
        expect(page).to_have_url(re.compile(r"\?q="))
        expect(page.locator("#results tbody tr")).to_have_count(1)
        page.get_by_role("link", name=NAME, exact=True).click()
        with page.expect_download() as waiting:
            page.get_by_role("link", name="Скачать", exact=True).click()
        assert waiting.value.suggested_filename == NAME
        path = directory / "downloaded"
        waiting.value.save_as(path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(CONTENT).digest()


@pytest.mark.parametrize(
    ("mode", "text", "count"),
    [("partial", "плох", 0), ("partial", "clad", 0), ("partial", "провер", 1), ("exact", "plain FORM.bin", 1)],
)
def test_the_ways_to_search(uploaded: ConsoleSite, mode: str, text: str, count: int) -> None:
    with uploaded.administrator(script=False) as page:
        page.goto("/files")
        page.locator(f"[name=mode][value={mode}]").check()
        page.get_by_label("Search documents").fill(text)
        page.get_by_role("button", name="Search", exact=True).click()
        expect(page.locator("#results tbody tr")).to_have_count(count)
        if count == 0:
            expect(page.get_by_text("Nothing found")).to_be_visible()


def test_language_and_theme_stay_with_the_browser(opened: ConsoleSite) -> None:
    with opened.administrator() as page:
        page.goto("/settings")
        page.get_by_label("Русский").check()
        page.get_by_label("Dark").check()
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Настройки")
        page.goto("/")
        root = page.locator("html")
        expect(root).to_have_attribute("lang", "ru")
        expect(root).to_have_attribute("data-bs-theme", "dark")
        page.get_by_role("button", name="Выйти").last.click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Вход")


def test_the_device_decides_the_theme_where_nobody_chose(opened: ConsoleSite) -> None:
    with opened.visitor() as page:
        page.emulate_media(color_scheme="dark")
        page.goto("/login")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "dark")
        page.emulate_media(color_scheme="light")
        expect(page.locator("html")).to_have_attribute("data-bs-theme", "light")


def test_the_mode_changes_only_after_a_question(claimed: ConsoleSite) -> None:
    with claimed.administrator() as page:
        page.goto("/storage-elements")
        page.get_by_role("link", name="Север rw").click()
        page.get_by_role("link", name="Switch to ro").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Change the mode of Север rw")
        page.get_by_role("button", name="Switch to ro").click()
        expect(page.get_by_text("The mode was changed")).to_be_visible()
        page.get_by_role("link", name="Switch to rw").click()
        page.get_by_role("button", name="Switch to rw").click()
        expect(page.get_by_text("The mode was changed")).to_be_visible()
        page.get_by_role("button", name="Synchronise").click()
        expect(page.get_by_text("Synchronised. Added:")).to_be_visible(timeout=60_000)


def test_a_document_is_deleted_after_a_question_and_only_where_that_is_allowed(
    uploaded: ConsoleSite, scratch: Path
) -> None:
    with uploaded.administrator(script=False) as page:
        page.goto("/files/upload")
        page.get_by_label("Choose documents").set_input_files(
            sample(scratch / "uploads", "to delete.txt", b"gone soon")
        )
        page.get_by_role("button", name="Upload", exact=True).click()
        page.get_by_role("link", name="Delete").click()
        page.get_by_role("button", name="Delete").click()
        expect(page.get_by_text("The document was deleted")).to_be_visible()
        expect(page.locator("#results")).not_to_contain_text("to delete.txt")
        page.get_by_role("link", name="plain form.bin", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("plain form.bin")
        expect(page.get_by_role("link", name="Delete")).to_have_count(0)


def test_the_dashboard_follows_what_happens(claimed: ConsoleSite, scratch: Path) -> None:
    with claimed.administrator() as watching, claimed.administrator(script=False) as acting:
        expect(watching.locator("#live-recent")).to_be_visible()
        acting.goto("/files/upload")
        acting.get_by_label("Choose documents").set_input_files(sample(scratch / "uploads", "just now.txt", b"news"))
        acting.get_by_role("button", name="Upload", exact=True).click()
        expect(watching.locator("#live-recent")).to_contain_text("just now.txt", timeout=30_000)


def test_no_error_was_hidden_on_the_way(uploaded: ConsoleSite) -> None:
    expected = re.compile(r"status of 40[0139]")
    assert [found for found in uploaded.troubles.found if not expected.search(found)] == []
