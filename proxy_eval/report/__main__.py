"""``python -m proxy_eval.report``: tables, figures and one page of a comparison."""

import sys

from proxy_eval.report.stage import ReportConfig, report
from tasks.work import cli

if __name__ == "__main__":
    sys.exit(cli.main("proxy_eval.report", ReportConfig, report, logged=False))
