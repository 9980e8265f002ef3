"""One large document on its way in: as it is kept (hashed, synced) and bare; nginx, which does neither, by PUT."""

from __future__ import annotations

import os
import secrets
from dataclasses import replace
from pathlib import Path

from bed import Bed, compile_c, compile_client
from comparison import BUILD, BYTES, GIB, Figure, Sample, Target, compare, sample
from registry import Row
from servers import ArtStore

_NAME = "Content-Disposition: attachment; filename=large.bin"
_SIZE = ["--body-bytes", str(GIB)]


def _prepare() -> None:
    compile_client("upload")
    compile_c("undurable", "-shared", "-fPIC", "-ldl")


def _settled(target: Target) -> Sample:
    """One upload, when the disk has nothing left to do from the one before."""
    os.sync()
    return sample(target, _SIZE, BYTES)


def _compare(name: str, bed: Bed, server: ArtStore) -> list[Figure]:
    program = BUILD / "upload"
    ours = Target(
        server,
        "/api/v1/files/upload",
        bed.credentials,
        server.token_file,
        ["--method", "POST", "--field", _NAME],
        program,
    )
    (bed.documents / "upload").mkdir(exist_ok=True)
    peer = Target(bed.nginx, "", bed.credentials, None, ["--method", "PUT"], program)

    def put() -> Sample:
        path = f"/upload/{secrets.token_hex(8)}"
        done = _settled(replace(peer, path=path))
        Path(f"{bed.documents}{path}").unlink()
        return done

    return compare(name, BYTES, lambda: _settled(ours), put)


def _durable(bed: Bed) -> list[Figure]:
    return _compare("upload-1g", bed, bed.artstore)


def _bare(bed: Bed) -> list[Figure]:
    server = ArtStore(bed.own_folder("bare"), bed.credentials, {"LD_PRELOAD": str(BUILD / "undurable")})
    try:
        return _compare("upload-1g-bare", bed, server)
    finally:
        server.appliance.stop()


ROWS = [Row("upload-1g", _durable, _prepare), Row("upload-1g-bare", _bare, _prepare)]
