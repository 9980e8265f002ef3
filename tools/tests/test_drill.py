from pathlib import Path

from artstore.drill import compare

_HEADER = "file_id,description,tags\n"


def _file(path: Path, *lines: str) -> Path:
    path.write_text(_HEADER + "".join(f"{line}\n" for line in lines))
    return path


def test_equal_catalogues_have_no_differences(tmp_path: Path) -> None:
    before = _file(tmp_path / "before", 'a,"one, two",{}', "b,,{}")
    after = _file(tmp_path / "after", 'a,"one, two",{}', "b,,{}")
    assert compare(before, after) == (2, [])


def test_a_lost_a_new_and_a_changed_record_are_each_named(tmp_path: Path) -> None:
    before = _file(tmp_path / "before", "a,1,{}", "b,2,{}", "d,4,{}", "e,5,{}")
    after = _file(tmp_path / "after", "a,1,{}", "c,3,{}", "d,44,{}")
    count, differences = compare(before, after)
    assert count == 4
    told = {(difference.file_id, difference.what) for difference in differences}
    assert told == {
        ("b", "is missing"),
        ("c", "was not there before"),
        ("d", "description '4' → '44'"),
        ("e", "is missing"),
    }


def test_differences_are_bounded(tmp_path: Path) -> None:
    before = _file(tmp_path / "before", *(f"{number:03},x,{{}}" for number in range(100)))
    after = _file(tmp_path / "after")
    assert len(compare(before, after, most=7)[1]) == 7
