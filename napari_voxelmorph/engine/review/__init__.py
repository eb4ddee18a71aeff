"""Judging results case after case: worklists, verdicts, agreement of readers, report."""
