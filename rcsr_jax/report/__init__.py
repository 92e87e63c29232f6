"""The report of an evaluation, and what its pictures and those of the page are made of.

`write_report` makes one HTML file of a `ReportData`; the other files are its parts.
"""

from rcsr_jax.report.page import ReportData, write_report

__all__ = ["ReportData", "write_report"]
