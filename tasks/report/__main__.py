"""``python -m tasks.report``: proof that each task is alive, as a table and a figure."""

import sys

from tasks.report.stage import ReportConfig, report
from tasks.work import cli

if __name__ == "__main__":
    sys.exit(cli.main("tasks.report", ReportConfig, report))
