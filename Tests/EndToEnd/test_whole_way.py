"""A document travels the whole way: ingester, appliance, search, download by ranges."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from artstore import documents
from artstore.client import Document
from conftest import WholeFleet

PDF = Document("Отчёт о поставках №7.pdf", b"%PDF-1.4\n" + bytes(range(256)) * 40, "application/pdf")


@pytest.fixture(scope="module")
def uploaded(fleet: WholeFleet) -> dict[str, object]:
    fields = {
        "description": "годовой отчёт",
        "tags": '["поставки", "2026"]',
        "retention_policy": "permanent",
        "metadata": '{"contract": 7}',
    }
    record = fleet.ingester().upload("/api/v1/files/upload", PDF, fields).expect(201).json
    assert isinstance(record, dict)
    return record


def test_the_record_says_what_was_uploaded(fleet: WholeFleet, uploaded: dict[str, object]) -> None:
    assert uploaded["original_filename"] == PDF.name
    assert uploaded["size"] == PDF.size
    assert uploaded["checksum"] == PDF.sha256()
    assert uploaded["status"] == "active"
    assert uploaded["retention_policy"] == "permanent"
    assert uploaded["tags"] == ["поставки", "2026"]
    assert uploaded["metadata"] == {"contract": 7}
    assert uploaded["uploaded_by"] == fleet.account.client_id
    assert "storage_path" not in uploaded, "stored names never leave the inside"
    shown = fleet.query().call("GET", f"/api/v1/files/{uploaded['file_id']}").expect(200).json
    assert shown["checksum"] == PDF.sha256()


def test_permanent_documents_go_to_rw_and_temporary_ones_to_edit(fleet: WholeFleet) -> None:
    before = {mode: len(appliance.documents()) for mode, appliance in fleet.appliances.items()}
    for policy in ("permanent", "temporary"):
        document = Document(f"{policy}.bin", policy.encode() * 50_000)
        answer = fleet.ingester().upload("/api/v1/files/upload", document, {"retention_policy": policy}).expect(201)
        assert answer.json["retention_policy"] == policy
        assert (answer.json.get("expires_at") is None) == (policy == "permanent")
    after = {mode: len(appliance.documents()) for mode, appliance in fleet.appliances.items()}
    assert after == {mode: count + 1 for mode, count in before.items()}


@pytest.mark.parametrize(
    ("mode", "query"),
    [
        ("exact", "отчёт о ПОСТАВКАХ №7.pdf"),
        ("partial", "ставках"),
        ("fulltext", "поставка"),
        ("fulltext", "годовые отчеты"),
    ],
)
def test_search_finds_it(fleet: WholeFleet, uploaded: dict[str, object], mode: str, query: str) -> None:
    answer = fleet.query().call("POST", "/api/v1/search", {"query": query, "mode": mode}).expect(200).json
    assert uploaded["file_id"] in [item["file_id"] for item in answer["items"]]
    assert answer["total"] >= 1
    missing = fleet.query().call("POST", "/api/v1/search", {"query": "ненаходимое", "mode": mode}).expect(200).json
    assert missing["items"] == []


def test_a_range_comes_back_with_206(fleet: WholeFleet, uploaded: dict[str, object]) -> None:
    answer = fleet.curl().get(f"/api/v1/files/{uploaded['file_id']}/download", "-r", "1000-1999")
    assert isinstance(PDF.source, bytes)
    assert answer.status == 206
    assert answer.body == PDF.source[1000:2000]
    assert answer.headers["content-range"] == f"bytes 1000-1999/{PDF.size}"
    assert answer.headers["etag"].strip('"') == PDF.sha256()


@pytest.mark.parametrize(
    ("header", "status", "first", "last"),
    [("bytes=-100", 206, -100, None), ("bytes=9000-", 206, 9000, None), ("bytes=99999999-", 416, 0, 0)],
)
def test_other_ranges(
    fleet: WholeFleet, uploaded: dict[str, object], header: str, status: int, first: int, last: int | None
) -> None:
    path = f"/api/v1/files/{uploaded['file_id']}/download"
    answer = fleet.query().call("GET", path, headers={"Range": header}).expect(status)
    assert isinstance(PDF.source, bytes)
    if status == 206:
        assert answer.body == PDF.source[first:last]
    else:
        assert answer.code == "INVALID_RANGE"


def test_an_unchanged_document_is_not_sent_again(fleet: WholeFleet, uploaded: dict[str, object]) -> None:
    path = f"/api/v1/files/{uploaded['file_id']}/download"
    client = fleet.query()
    whole = client.call("GET", path).expect(200)
    assert whole.body == PDF.source
    assert whole.headers["Content-Type"].startswith("application/pdf")
    assert "filename*=UTF-8''" in whole.headers["Content-Disposition"]
    again = client.call("GET", path, headers={"If-None-Match": whole.headers["ETag"]}).expect(304)
    assert again.body == b""
    client.call("GET", path, headers={"If-Match": '"something else"'}).expect(412)
    head = client.call("HEAD", path).expect(200)
    assert (head.headers["Content-Length"], head.body) == (str(PDF.size), b"")


def test_a_download_that_was_cut_goes_on_with_curl(fleet: WholeFleet, directory: Path) -> None:
    big = documents.big_file(directory / "big", 32 << 20)
    answer = fleet.ingester().upload("/api/v1/files/upload", Document("большой.bin", big)).expect(201)
    path = f"/api/v1/files/{answer.json['file_id']}/download"
    curl, target = fleet.curl(), directory / "copy"
    there = curl.interrupted_download(path, target, cut_after=4 << 20, rate="20M")
    assert 0 < there < big.stat().st_size
    curl.resume_download(path, target)
    assert hashlib.sha256(target.read_bytes()).hexdigest() == Document("", big).sha256()


def test_deleting_in_edit_hides_the_document(fleet: WholeFleet) -> None:
    record = fleet.ingester().upload("/api/v1/files/upload", Document("to delete.txt", b"delete me")).expect(201).json
    fleet.ingester().call("DELETE", f"/api/v1/files/{record['file_id']}").expect(204)
    fleet.query().call("GET", f"/api/v1/files/{record['file_id']}/download").expect(404)


def test_deleting_outside_edit_is_refused(fleet: WholeFleet, uploaded: dict[str, object]) -> None:
    answer = fleet.ingester().call("DELETE", f"/api/v1/files/{uploaded['file_id']}").expect(409)
    assert answer.code == "MODE_NOT_ALLOWED"


def test_a_batch_tells_about_each_file(fleet: WholeFleet) -> None:
    boundary = "batch"
    parts = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: text/plain\r\n\r\nbody of {name}\r\n"
        for name in ("первый.txt", "second.txt")
    )
    body = f"{parts}--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    answer = fleet.ingester().call("POST", "/api/v1/files/batch/upload", headers=headers, body=body).expect(207).json
    assert answer["summary"] == {"total": 2, "succeeded": 2, "failed": 0}
    assert [result["filename"] for result in answer["results"]] == ["первый.txt", "second.txt"]


def test_sync_finds_nothing_to_do_afterwards(fleet: WholeFleet, uploaded: dict[str, object]) -> None:
    element = fleet.elements["rw"]
    answer = fleet.admin.call("POST", f"/api/v1/storage-elements/{element['id']}/sync").expect(200).json
    again = fleet.admin.call("POST", f"/api/v1/storage-elements/{element['id']}/sync").expect(200).json
    assert answer["file_sync"]["deleted"] == 0
    assert (again["file_sync"]["added"], again["file_sync"]["updated"], again["file_sync"]["deleted"]) == (0, 0, 0)
