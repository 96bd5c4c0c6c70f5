"""``python -m tasks.report``: proof that each task is alive, as a table and a figure."""

import sys

from tasks import cli
from tasks.report.stage import ReportConfig, report

if __name__ == "__main__":
    sys.exit(cli.main("tasks.report", ReportConfig, report))
