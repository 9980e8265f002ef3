"""What the rows stand on: a folder, credentials, documents, and the two servers, each made when first asked for."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

from artstore import paths
from comparison import BUILD, Target
from servers import ArtStore, Credentials, Nginx


class Bed:
    """Used in a `with`; at its end the servers it started are ended and the folder is removed."""

    def __init__(self) -> None:
        self.folder = BUILD / "run"
        self.cleaning = ExitStack()
        self._uploaded: dict[int, str] = {}

    def __enter__(self) -> Bed:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.documents.mkdir(parents=True)
        self.cleaning.callback(shutil.rmtree, self.folder, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        self.cleaning.close()

    def own_folder(self, name: str) -> Path:
        """A row's own place, removed with the rest."""
        folder = self.folder / name
        folder.mkdir()
        return folder

    @property
    def documents(self) -> Path:
        return self.folder / "www"

    @cached_property
    def credentials(self) -> Credentials:
        return Credentials.make(self.folder / "credentials")

    @cached_property
    def artstore(self) -> ArtStore:
        # One machine is the whole fleet here: the limit on handshakes would be what is measured.
        server = ArtStore(self.folder / "appliance", self.credentials, {"SE_HANDSHAKES_PER_SECOND": "0"})
        self.cleaning.callback(server.appliance.stop)
        return server

    @cached_property
    def nginx(self) -> Nginx:
        server = Nginx(self.folder / "nginx", self.credentials, self.documents)
        self.cleaning.callback(server.process.stop)
        return server

    def document(self, size: int) -> Path:
        """Random bytes, under nginx's root."""
        path = self.documents / f"{size}.bin"
        if not path.exists():
            with path.open("wb") as output:
                for at in range(0, size, 1 << 20):
                    output.write(os.urandom(min(size - at, 1 << 20)))
        return path

    def ours(self, size: int) -> Target:
        """Our server's answer with a document of that size."""
        if size not in self._uploaded:
            self._uploaded[size] = self.artstore.upload(self.document(size))
        path = f"/api/v1/files/{self._uploaded[size]}/download"
        return Target(self.artstore, path, self.credentials, self.artstore.token_file)

    def peer(self, size: int) -> Target:
        return Target(self.nginx, f"/{self.document(size).name}", self.credentials)


def compile_c(name: str, *options: str) -> Path:
    """Builds a program of this folder's `name`.c."""
    program = BUILD / name
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run(["gcc", "-O2", "-Wall", "-Wextra", "-o", str(program), str(source), *options], check=True)
    return program


def compile_client(name: str) -> Path:
    """Builds a client that speaks TLS by `records.h`."""
    ours = paths.ROOT / "Sources/CTLS"
    libraries = ["-lssl", "-lcrypto", *(["-l:libIPSec_MB.a"] if platform.machine() == "x86_64" else [])]
    return compile_c(name, f"-I{ours / 'include'}", str(ours / "gcm.c"), *libraries)
