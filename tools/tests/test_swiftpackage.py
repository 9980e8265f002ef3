from pathlib import Path

from artstore.swiftpackage import read_xunit


def test_counts_cases_and_takes_a_skipped_one_for_a_failure(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    report.write_text(
        '<testsuites><testsuite><testcase classname="A" name="a"/>'
        '<testcase classname="A" name="b"><failure message="no"/><failure message="never"/></testcase>'
        '<testcase classname="A" name="c"><skipped message="later"/></testcase></testsuite></testsuites>'
    )
    outcome = read_xunit(report)
    assert (outcome.passed, outcome.failed) == (1, 2)
    assert outcome.failures[0] == "A.b: no\n    never"
