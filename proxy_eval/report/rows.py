"""The runs of a comparison as a table, and what is missing."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pandas as pd
import pyarrow as pa

from data_gen import store
from proxy_eval import asked
from proxy_eval import comparison_schema as schema
from tasks.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Found:
    """What is there.

    Attributes:
        rows: one per run, the columns of :data:`proxy_eval.comparison_schema.RUN`.
        asked: one per run that was asked for: its key.
        commands: that asked.
        machine, versions: of the runs.
    """

    rows: pd.DataFrame
    asked: pd.DataFrame
    commands: list[str]
    machine: list[str]
    versions: list[str]


def load(place: str) -> Found:
    """Read the runs that were asked for and are there; InputError where there is none."""
    wanted = asked.read(place)
    tables, machines, versions = [], set(), set()
    for run_id, task in zip(wanted["run_id"], wanted["task"], strict=True):
        path = store.part_path(place, task, run_id)
        if store.exists(path):
            tables.append(schema.read(path))
    for table in tables:
        made = table.schema.metadata or {}
        machines.add(made.get(b"arc.machine", b"unknown").decode())
        known = json.loads(made.get(b"arc.versions", b"{}"))
        versions.add(", ".join(f"{name} {version}" for name, version in known.items()))
    if not tables:
        raise InputError(f"no runs in {place!r} yet; make them with python -m proxy_eval.compare out={place}")
    made_rows = pa.concat_tables(t.replace_schema_metadata() for t in tables).to_pandas()
    # the key is that of the request: a run may serve under another label than it was made under
    rows = wanted.merge(
        made_rows.drop(columns=list(schema.KEY)).drop_duplicates("run_id"), on="run_id", how="inner"
    )
    return Found(
        rows=rows,
        asked=wanted,
        commands=asked.commands_of(place),
        machine=sorted(machines),
        versions=sorted(versions),
    )
