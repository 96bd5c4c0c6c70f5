"""``python -m proxy_eval``: candidates to the exported winner."""

import sys

from proxy_eval.select import SelectConfig, select
from tasks.work import cli

if __name__ == "__main__":
    sys.exit(cli.main("proxy_eval", SelectConfig, select))
