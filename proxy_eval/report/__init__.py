"""``python -m proxy_eval.report``: tables, figures and one page of a comparison."""
