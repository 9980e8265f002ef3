"""Real documents of the machine: licence texts, manuals in two languages, PDFs, images, web pages; many sizes."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .client import Document

_TYPES = {
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".json": "application/json",
}

# Where documents of each kind lie, and how many of the kind are wanted at most.
_SOURCES: list[tuple[str, list[str], tuple[str, ...], int]] = [
    ("licence", ["/usr/share/common-licenses"], ("",), 20),
    ("manual", ["/usr/share/man/man1", "/usr/share/man/man8", "/usr/share/man/man5"], (".gz",), 70),
    ("руководство", ["/usr/share/man/ru"], (".gz",), 60),
    ("pdf", ["/usr/share/doc", "/usr/share/developers-reference", "/usr/share"], (".pdf", ".pdf.gz"), 20),
    (
        "image",
        ["/usr/share/doc", "/usr/share/developers-reference", "/usr/share/pixmaps"],
        (".png", ".jpg", ".svg"),
        30,
    ),
    ("page", ["/usr/share/doc"], (".html",), 40),
    ("about", ["/usr/share/doc"], ("copyright",), 80),
]

_ABOUT = {
    "licence": "text of a free software licence",
    "manual": "page of the system's manual",
    "руководство": "страница системного руководства",
    "pdf": "document of an installed package",
    "image": "image of an installed package",
    "page": "web page of an installed package",
    "about": "copyright notice of an installed package",
}

# Names that people in an office would give; the bytes are real documents found on the machine.
_RUSSIAN_NAMES = [
    "Договор поставки № 17.txt",
    "Отчёт за третий квартал.pdf",
    "Приказ о назначении Ёлкина.txt",
    "Акт сверки взаиморасчётов.txt",
    "Счёт-фактура 2026_11.txt",
    "Протокол собрания акционеров.txt",
    "Техническое задание (редакция 2).txt",
    "Фотография главного здания.png",
    "Лицензионное соглашение.txt",
    "Руководство пользователя.pdf",
    "Заявление на отпуск Иванова.txt",
    "Смета строительства склада.txt",
]


def find(scratch: Path, wanted: int = 240) -> list[Document]:
    """At least 200 different documents, or an error that says how many were found. Compressed ones are unpacked."""
    scratch.mkdir(parents=True, exist_ok=True)
    found: list[Document] = []
    seen: set[str] = set()
    for kind, folders, endings, most in _SOURCES:
        count = 0
        for path in _files(folders, endings):
            if count == most or len(found) == wanted:
                break
            document = _document(kind, path, scratch)
            digest = document.sha256() if document else ""
            if document is None or digest in seen:
                continue
            seen.add(digest)
            found.append(document)
            count += 1
    if len(found) < 200:
        raise FileNotFoundError(
            f"only {len(found)} documents on this machine; tools/setup run brings packages with more"
        )
    return with_russian_names(found)


def with_russian_names(documents: list[Document]) -> list[Document]:
    """Gives the last documents of a matching type the names that Russian offices would give them."""
    renamed = list(documents)
    taken: set[int] = set()
    for name in _RUSSIAN_NAMES:
        ending = name[name.rindex(".") :]
        for index, document in reversed(list(enumerate(documents))):
            if index not in taken and document.name.endswith(ending):
                renamed[index] = Document(name, document.source, document.content_type, document.about)
                taken.add(index)
                break
    return renamed


def big_file(path: Path, size: int, seed: int = 2) -> Path:
    """A file of that size whose bytes differ block by block, so that a wrong offset shows."""
    block = hashlib.shake_256(seed.to_bytes(8, "big")).digest(1 << 20)
    with path.open("wb") as file:
        for index in range(0, size, len(block)):
            stamp = index.to_bytes(8, "big")
            file.write((stamp + block[8:])[: size - index])
    return path


def _files(folders: list[str], endings: tuple[str, ...]) -> Iterator[Path]:
    for folder in folders:
        for top, directories, names in os.walk(folder):
            directories.sort()
            for name in sorted(names):
                path = Path(top) / name
                if name.endswith(endings) and path.is_file() and 0 < path.stat().st_size < 64 << 20:
                    yield path


def _document(kind: str, path: Path, scratch: Path) -> Document | None:
    name = path.name.removesuffix(".gz")
    if path.name == "copyright":
        name = f"{path.parent.name} copyright.txt"
    elif kind in ("licence", "manual", "руководство"):
        name = f"{kind} {name}.txt"
    elif "." not in name:
        name += ".txt"
    source = path
    if path.suffix == ".gz":
        source = scratch / f"{kind}-{name}"
        try:
            source.write_bytes(gzip.decompress(path.read_bytes()))
        except (OSError, EOFError):
            return None
    if source.stat().st_size == 0:
        return None
    return Document(name, source, _TYPES.get(Path(name).suffix, "application/octet-stream"), _ABOUT[kind])
