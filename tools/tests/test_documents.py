from pathlib import Path

from artstore import documents
from artstore.client import Document, MultipartBody


def test_this_machine_has_two_hundred_different_documents_of_many_kinds(tmp_path: Path) -> None:
    found = documents.find(tmp_path)
    assert len(found) >= 200
    assert len({document.sha256() for document in found}) == len(found)
    types = {document.content_type for document in found}
    assert {"application/pdf", "image/png", "text/html", "text/plain"} <= types
    assert sum(any("а" <= letter <= "я" for letter in document.name.lower()) for document in found) >= 10


def test_a_big_file_has_its_size_and_no_two_equal_blocks(tmp_path: Path) -> None:
    path = documents.big_file(tmp_path / "big", (3 << 20) + 5)
    data = path.read_bytes()
    assert len(data) == (3 << 20) + 5
    assert len({data[index : index + (1 << 20)] for index in range(0, len(data), 1 << 20)}) == 4


def test_a_multipart_body_is_as_long_as_it_says() -> None:
    body = MultipartBody(Document('quo"te.txt', b"12345"), {"description": "описание"})
    joined = b"".join(body.blocks())
    assert len(joined) == body.length
    assert b'filename="quo%22te.txt"' in joined
    assert "описание".encode() in joined
