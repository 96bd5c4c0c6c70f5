"""``python -m data_gen.pack``: many parts of one run each to few files, for keeping and for sharing.

A pack is a part like any other (same schema, same place below ``task=<name>/``), only with many runs:
every stage reads it, and ``data_gen`` does not run its trials again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from tqdm import tqdm

from data_gen import card, reading, schema, store
from tasks.errors import InputError
from tasks.work import cli, places

GROUP = 1024
"""Rows of a pack's row group, about: what a reader holds of it at a time (some 5 MB)."""


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """Keys of ``configs/data_gen.pack.yaml``, where each is explained."""

    trials: str
    out: str
    command: str

    def __post_init__(self) -> None:
        if self.trials.rstrip("/") == self.out.rstrip("/"):
            raise InputError(f"got out={self.out}, the trials' own place; need another directory")


def pack(config: PackConfig) -> int:
    """Write one pack per task with the runs that ``out`` lacks, then the data card; the exit code.

    The names of the runs are in memory, and the rows of some hundred runs at a time.
    """
    there = store.run_ids(config.out) if store.is_directory(config.out) else set()
    wanted: dict[str, list[str]] = defaultdict(list)
    files: dict[str, list[str]] = defaultdict(list)
    for path in store.parts(config.trials):
        fresh = sorted(store.ids(path) - there)
        if fresh:
            there.update(fresh)
            wanted[store.partition(path)] += fresh
            files[store.partition(path)].append(path)
    if not there:
        raise InputError(f"no trials below {config.trials!r}; make some with python -m data_gen")
    count = sum(map(len, files.values()))
    with tqdm(total=count, desc="pack", unit=" parts", disable=not sys.stderr.isatty()) as bar:
        for task, ids in sorted(wanted.items()):
            name = hashlib.sha256("".join(sorted(ids)).encode()).hexdigest()[:16]
            path = places.join(config.out, f"task={task}", f"pack-{name}.parquet")
            rows = _write(path, files[task], set(ids), bar)
            print(f"{task:22}{len(ids):>7} runs{rows:>8} rows packed")
    card.write(config.out, config.command)
    return 0


def _write(path: str, files: Sequence[str], wanted: set[str], bar: Any) -> int:
    """One pack of the wanted runs in these files; how many rows it has."""
    version = {"arc.schema_version": str(schema.VERSION), reading.GROUPED.decode(): "whole runs"}
    losses = [field.name for field in schema.TRIAL if pa.types.is_list(field.type)]
    made: dict[str, Any] = {}
    rows = 0
    with store.writing(
        path,
        schema.TRIAL.with_metadata(version),
        compression_level=19,
        use_dictionary=[field.name for field in schema.TRIAL if pa.types.is_string(field.type)],
        # equal bytes of the floats side by side: they compress better so
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in losses},
    ) as writer:
        for tables in _groups(files, wanted, bar):
            book(made, tables)
            group = pa.concat_tables(table.replace_schema_metadata(version) for table in tables)
            writer.write_table(group.sort_by([("run_id", "ascending"), ("cycle", "ascending")]))
            rows += len(group)
        entries = json.dumps([made[key] for key in sorted(made)], sort_keys=True)
        writer.add_key_value_metadata({"arc.configurations": entries})
    return rows


def _groups(files: Sequence[str], wanted: set[str], bar: Any) -> Iterator[list[pa.Table]]:
    """The wanted runs, each once, about :data:`GROUP` rows at a time."""
    tables: list[pa.Table] = []
    for table in reading.once(files, wanted=wanted, bar=bar):
        tables += [table] if len(table) else []
        if sum(map(len, tables)) >= GROUP:
            yield tables
            tables = []
    if tables:
        yield tables


def book(found: dict[str, Any], tables: Iterable[pa.Table]) -> None:
    """Add how the runs were made: each configuration but for the trial's index once, with its runs.

    Args:
        found: dictionaries of ``configuration``, ``versions`` and ``runs`` (run id to the trial's index).
        tables: of whole runs, with their files' metadata.
    """
    for table in tables:
        metadata = table.schema.metadata or {}
        if b"arc.configurations" in metadata:  # a pack that is packed again
            known = set(table["run_id"].to_pylist())
            for entry in json.loads(metadata[b"arc.configurations"]):
                kept = {run_id: index for run_id, index in entry["runs"].items() if run_id in known}
                if kept:
                    _book(found, entry["configuration"], entry["versions"], kept)
        elif b"arc.configuration" in metadata:
            configuration = json.loads(metadata[b"arc.configuration"])
            index = configuration["trial"].pop("index")
            versions = json.loads(metadata[b"arc.versions"])
            _book(found, configuration, versions, {table["run_id"][0].as_py(): index})


def _book(found: dict[str, dict[str, Any]], configuration: Any, versions: Any, runs: dict[str, int]) -> None:
    key = json.dumps([configuration, versions], sort_keys=True)
    empty = {"configuration": configuration, "versions": versions, "runs": {}}
    found.setdefault(key, empty)["runs"].update(runs)


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.pack", PackConfig, pack, logged=False))
