"""The QA dock: structures measured, looked at, corrected and judged, case after case."""
