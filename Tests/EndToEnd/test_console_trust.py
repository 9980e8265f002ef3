"""Local clients, revoked keys and registering without a claim code: in the console, in a browser without JavaScript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from artstore.certificates import openssl
from artstore.postgres import PrivatePostgres
from artstore.programs import Appliance, ControlPlane, Fleet
from console_browser import ConsoleSite, launch, sign_in
from playwright.sync_api import Page, expect, sync_playwright


@pytest.fixture(scope="module")
def site(programs: str, postgres: PrivatePostgres, scratch: Path) -> Iterator[ConsoleSite]:
    """Two claimed appliances of its own: one is revoked here, one leaves and comes back."""
    directory = scratch / "console-trust"
    plane = ControlPlane(directory, postgres.create_database("console-trust"), programs)
    appliances = {name: Appliance(directory / name, "rw", name, programs) for name in ("north", "south")}
    try:
        plane.start()
        fleet = Fleet(plane)
        for appliance in appliances.values():
            appliance.start()
            fleet.claim(appliance)
        with sync_playwright() as playwright:
            browser = launch(playwright)
            yield ConsoleSite(plane, appliances, browser, plane.password)
            browser.close()
    finally:
        for appliance in appliances.values():
            appliance.stop()
        plane.stop()


@pytest.fixture
def page(site: ConsoleSite) -> Iterator[Page]:
    with site.visitor(script=False) as page:
        sign_in(page, "admin", site.one_time_password)
        yield page


def element(site: ConsoleSite, name: str) -> dict[str, object]:
    every = site.plane.login().call("GET", "/api/v1/storage-elements").expect(200).json["items"]
    return next(one for one in every if one["name"].startswith(name))


def test_a_local_client_comes_and_goes(site: ConsoleSite, page: Page, directory: Path) -> None:
    key = directory / "client.key"
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(key))
    request = openssl("req", "-new", "-key", str(key), "-subj", "/CN=press").decode()
    page.goto("/access")
    page.get_by_role("link", name="Local clients").click()
    expect(page.get_by_text("No local clients")).to_be_visible()
    page.get_by_role("link", name="New local client").click()
    page.get_by_label("Name", exact=True).fill("press")
    page.get_by_label("Certificate request").fill("-----BEGIN CERTIFICATE REQUEST-----")
    page.get_by_label("north").check()
    page.get_by_label("Days").fill("30")
    page.get_by_role("button", name="Create").click()
    wrong = page.get_by_label("Certificate request")
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#f-csr-problem")).to_contain_text("This is no certificate request")
    expect(page.get_by_label("Name", exact=True)).to_have_value("press")
    expect(page.get_by_label("north")).to_be_checked()
    wrong.fill(request)
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("The certificate was signed")
    certificate = directory / "client.crt"
    certificate.write_text(page.locator("#certificate").inner_text())
    text = openssl("x509", "-in", str(certificate), "-noout", "-text").decode()
    assert "URI:artstore://client/press" in text and "TLS Web Client Authentication" in text
    page.get_by_role("link", name="To the local clients").click()
    row = page.locator("tbody tr", has_text="artstore://client/press")
    expect(row).to_contain_text("files:read")
    expect(row).to_contain_text("north")
    row.get_by_role("link", name="Remove").click()
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("The local client was removed")).to_be_visible()
    page.goto("/access/revocations")
    expect(page.locator("tbody tr", has_text="artstore://client/press")).to_contain_text("admin")
    audit = site.plane.login().call("GET", "/api/v1/audit?action=local_client").expect(200).json["items"]
    assert [record["action"] for record in audit] == ["local_client.delete", "local_client.create"]


def test_an_appliance_of_the_fleet_comes_back_without_a_code(site: ConsoleSite, page: Page) -> None:
    page.goto(f"/storage-elements/{element(site, 'south')['id']}/remove")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_be_visible()
    page.goto("/storage-elements/claim")
    page.get_by_label("Address").fill(site.appliances["south"].url)
    page.get_by_role("button", name="Check address").click()
    expect(page.locator("#discovery")).to_contain_text("It says that it is of this fleet")
    page.get_by_role("link", name="Register without a claim code").click()
    expect(page.get_by_label("Address")).to_have_value(site.appliances["south"].url)
    page.get_by_label("Name").fill("south again")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_text("The storage element is registered")).to_be_visible()
    assert element(site, "south")["status"] == "online"
    # Nobody is registered twice, and nobody who is not of the fleet.
    page.goto("/storage-elements/register")
    page.get_by_label("Address").fill(site.appliances["south"].url)
    page.get_by_label("Name").fill("twice")
    page.get_by_role("button", name="Register").click()
    expect(page.get_by_role("alert")).to_contain_text("registered already")


def test_a_revoked_storage_element_says_so(site: ConsoleSite, page: Page) -> None:
    north = element(site, "north")["id"]
    page.goto(f"/storage-elements/{north}")
    page.get_by_role("link", name="Revoke certificate").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Revoke the certificate of north?")
    page.get_by_label("Reason").fill("the machine was stolen")
    page.get_by_role("button", name="Revoke certificate").click()
    expect(page).to_have_url(re.compile("notice=revoked"))
    expect(page.get_by_role("alert").first).to_contain_text("the machine was stolen")
    expect(page.get_by_role("link", name="Revoke certificate")).to_have_count(0)
    page.goto("/access/revocations")
    expect(page.locator("tbody tr", has_text="artstore://appliance/")).to_contain_text("the machine was stolen")
    page.locator("summary", has_text="Revoke a key").click()
    page.get_by_label("Reason").fill("lost")
    page.get_by_label("Key (SHA-256)").fill("abc")
    page.get_by_role("button", name="Revoke a key").click()
    expect(page.locator("#f-key_sha256-problem")).to_contain_text("64 hexadecimal digits")
    assert site.troubles.found == [] or all("status of 40" in found for found in site.troubles.found)
