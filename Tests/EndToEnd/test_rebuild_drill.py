"""`make drill` in small: the catalogue is derived, so it can be made again; what is not the same is told."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest
from artstore.drill import Drill, DrillFailed
from artstore.progress import Report


@pytest.fixture
def drill(programs: str) -> Iterator[Drill]:
    with contextlib.ExitStack() as cleanup:
        made = Drill(240, 2, programs, Report(io.StringIO()), cleanup)
        made.start()
        yield made


def test_a_destroyed_catalogue_comes_back_from_the_appliances(drill: Drill) -> None:
    drill.fill()
    drill.change()
    before, totals = drill.snapshot("before")
    drill.destroy()
    drill.rebuild()
    after, totals_after = drill.snapshot("after")
    drill.prove(before, after, totals, totals_after)
    # The proof can fail: one word of one record is enough.
    drill.postgres.sql(
        "UPDATE files SET description = 'forged' WHERE file_id = (SELECT min(file_id::text)::uuid FROM files"
        " WHERE status = 'active')",
        "artstore",
    )
    forged, totals_after = drill.snapshot("forged")
    with pytest.raises(DrillFailed, match=r"description .* → 'forged'"):
        drill.prove(before, forged, totals, totals_after)
