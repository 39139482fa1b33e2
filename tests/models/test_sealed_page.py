"""A page that was changed, or that is of other results, is found out."""

from __future__ import annotations

from pathlib import Path

from imprint.models.sealed_page import page_fault, write_page


def test_a_page_is_as_it_was_written_until_it_or_its_results_change(tmp_path: Path) -> None:
    page, results = tmp_path / "report.html", tmp_path / "findings.parquet"
    results.write_bytes(b"numbers")
    write_page(page, "<html>undetermined</html>", results)
    assert page_fault(page, results) == ""
    content = page.read_bytes()
    page.write_bytes(content.replace(b"undetermined", b"intended"))
    assert "changed after" in str(page_fault(page, results))
    page.write_bytes(content)
    results.write_bytes(b"other numbers")
    assert "other results" in str(page_fault(page, results))
    results.unlink()
    assert "other results" in str(page_fault(page, results))
    page.write_bytes(b"<html>undetermined</html>\n")
    assert page_fault(page, results) is None
