"""`make converge` in small: whatever happens to links, PostgreSQL and clocks, the catalogue ends as what sites hold."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator

import pytest
from artstore.converge import Converge
from artstore.progress import Report


@pytest.fixture
def fleet_in_trouble(programs: str) -> Iterator[Converge]:
    with contextlib.ExitStack() as cleanup:
        yield Converge(3, 25, 2, 7, programs, Report(io.StringIO()), cleanup)


def test_the_catalogue_converges_once_calm(fleet_in_trouble: Converge) -> None:
    expected = fleet_in_trouble.run()
    assert len(expected) >= 20, "too few documents were acknowledged for this to say anything"
    assert any(known.is_deleted for known in expected.values())
    # The comparison can fail: a lost row, a row marked missing, a row that came back are each named.
    alive = next(file_id for file_id, known in expected.items() if not known.may_be_deleted)
    gone = next(file_id for file_id, known in expected.items() if known.is_deleted)
    sql = fleet_in_trouble.postgres.sql
    sql(f"UPDATE files SET missing_since = now() WHERE file_id = '{alive}'", "artstore")
    assert fleet_in_trouble.difference(expected) == [f"{alive} is marked missing"]
    sql(f"UPDATE files SET status = 'active' WHERE file_id = '{gone}'", "artstore")
    assert f"{gone} is in the catalogue only" in fleet_in_trouble.difference(expected)
    sql(f"DELETE FROM files WHERE file_id = '{alive}'", "artstore")
    assert any(alive in told and "not in the catalogue" in told for told in fleet_in_trouble.difference(expected))
