"""What schemathesis is told beside its configuration: a piece of an upload is bytes, whatever its type's name."""

from __future__ import annotations

import schemathesis

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
