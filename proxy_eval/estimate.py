"""What a comparison will cost, from the CPU seconds of the runs that are there."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence

from data_gen import store
from proxy_eval import comparison_schema as schema
from proxy_eval.comparison_run import ComparisonUnit
from proxy_eval.plan import Plan
from tasks import registry
from tasks.work import workers

Seconds = dict[tuple[str, str], list[float]]


def table(plan: Plan, units: Sequence[ComparisonUnit], waiting: int) -> str:
    """Core-hours per task of what is missing.

    Where a task has no run yet, the first of its runs is made now. A method that has not run on a task is
    taken to cost there what it costs elsewhere, relative to the median of each task.
    """
    missing = [u for u in units if not store.exists(u.path)]
    known_tasks = {u.task for u in units if store.exists(u.path)}
    first = [next(u for u in units if u.task == name) for name in {u.task for u in missing} - known_tasks]
    workers.run_all(first, workers=1, title="estimate", unit_name="runs", tick_name="epochs")
    missing = [u for u in missing if u not in first]
    per_epoch = _measured([u for u in units if store.exists(u.path)])
    typical = {
        task: statistics.median([s for (_, t), found in per_epoch.items() if t == task for s in found])
        for task in {t for _, t in per_epoch}
    }
    ratios: dict[str, list[float]] = defaultdict(list)
    for (label, task), found in per_epoch.items():
        ratios[label].append(statistics.median(found) / typical[task])
    hours: dict[str, float] = defaultdict(float)
    counts: dict[str, int] = defaultdict(int)
    unknown = {u.label for u in missing if u.label not in ratios}
    for unit in missing:
        task = registry.short_name(unit.task)
        known = per_epoch.get((unit.label, task))
        ratio = statistics.median(ratios[unit.label]) if unit.label in ratios else 1.0
        each = statistics.median(known) if known else ratio * typical[task]
        hours[task] += unit.epochs * each / 3600
        counts[task] += 1
    lines = [f"{'task':24}{'missing':>9}{'core-hours':>12}{'s/run':>8}"]
    for task in sorted(counts):
        each = 3600 * hours[task] / counts[task]
        lines.append(f"{task:24}{counts[task]:>9}{hours[task]:>12.2f}{each:>8.2f}")
    total = sum(hours.values())
    lines.append(f"{'all':24}{sum(counts.values()):>9}{total:>12.2f}")
    if unknown:
        lines.append(f"not measured yet, taken as typical: {', '.join(sorted(unknown))}")
    if waiting:
        lines.append(f"{waiting} random control(s) not counted: they come after ARC's runs")
    return "\n".join(lines)


def _measured(there: Sequence[ComparisonUnit]) -> Seconds:
    """CPU seconds per epoch by label and task."""
    found: Seconds = defaultdict(list)
    for unit in there:
        seconds = schema.read(unit.path)["unit_seconds"][0].as_py()
        found[unit.label, registry.short_name(unit.task)].append(seconds / unit.epochs)
    return found
