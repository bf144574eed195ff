"""Report -> its HTML page."""

from mtl_bench.page.document import report_page

__all__ = ["report_page"]
