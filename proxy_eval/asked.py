"""What a comparison was asked for, beside its parts: which run stands for which cell of the report.

The parts alone cannot tell: when a controller changes, the runs of the former one stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import pandas as pd
import pyarrow as pa

from data_gen import store
from proxy_eval import comparison_schema as schema
from proxy_eval.comparison_run import ComparisonUnit
from tasks import registry
from tasks.errors import InputError
from tasks.work import claims, places

FILE = "asked.parquet"
COMMANDS = b"arc.commands"

SCHEMA = pa.schema([pa.field("run_id", pa.string()), *(schema.RUN.field(k) for k in schema.KEY)])


def remember(units: Sequence[ComparisonUnit], out: str, command: str) -> None:
    """Add these runs to what was asked for; for the same cell the later call counts."""
    new = pd.DataFrame(
        [
            {k: getattr(u, k) for k in ("run_id", *schema.KEY)} | {"task": registry.short_name(u.task)}
            for u in units
        ],
        columns=SCHEMA.names,
    )
    add(new, out, [command])


def add(new: pd.DataFrame, out: str, new_commands: Sequence[str]) -> None:
    """Add rows of :data:`SCHEMA`; for the same cell the later call counts. One call at a time, anywhere."""
    with claims.waiting(_path(out)):
        _add(new, out, new_commands)


def _add(new: pd.DataFrame, out: str, new_commands: Sequence[str]) -> None:
    before, commands = (read(out), commands_of(out)) if store.exists(_path(out)) else (None, [])
    both = new if before is None else pd.concat([before, new]) if len(before) else new
    table = both.drop_duplicates(list(schema.KEY), keep="last")
    commands = [*(c for c in commands if c not in new_commands), *new_commands]
    arrow = pa.Table.from_pandas(table, schema=SCHEMA, preserve_index=False)
    store.write(_path(out), arrow.replace_schema_metadata({COMMANDS: json.dumps(commands).encode()}))


def read(out: str) -> pd.DataFrame:
    """One row per run asked for: its ``run_id`` and its key."""
    return pd.DataFrame(_table(out).to_pandas())


def commands_of(out: str) -> list[str]:
    """The commands that asked, oldest first."""
    found: list[str] = json.loads((_table(out).schema.metadata or {}).get(COMMANDS, b"[]"))
    return found


def _table(out: str) -> pa.Table:
    if not store.exists(_path(out)):
        raise InputError(f"no {FILE} in {out!r}; make one with python -m proxy_eval.compare out={out}")
    return store.read(_path(out), SCHEMA)


def _path(out: str) -> str:
    return places.join(out, FILE)
