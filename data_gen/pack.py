"""``python -m data_gen.pack``: many parts of one run each to few files, for keeping and for sharing.

A pack is a part like any other (same schema, same place below ``task=<name>/``), only with many runs:
every stage reads it, and ``data_gen`` does not run its trials again.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from tqdm import tqdm

from data_gen import card, schema, store
from tasks.errors import InputError
from tasks.work import cli


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
    """Write one pack per task with the runs that ``out`` lacks, then the data card; the exit code."""
    there = store.run_ids(config.out) if store.is_directory(config.out) else set()
    new: dict[str, list[pa.Table]] = defaultdict(list)
    parts = store.parts(config.trials)
    for path in tqdm(parts, desc="pack", unit=" parts", disable=not sys.stderr.isatty()):
        table = store.read(path, schema.TRIAL)
        fresh = table.filter(pc.invert(pc.is_in(table["run_id"], pa.array(sorted(there), pa.string()))))
        if len(fresh):
            there.update(fresh["run_id"].to_pylist())
            new[fresh["task"][0].as_py()].append(fresh)
    if not there:
        raise InputError(f"no trials below {config.trials!r}; make some with python -m data_gen")
    for task, tables in sorted(new.items()):
        ids = sorted({run_id for table in tables for run_id in table["run_id"].to_pylist()})
        name = hashlib.sha256("".join(ids).encode()).hexdigest()[:16]
        _write(f"{config.out.rstrip('/')}/task={task}/pack-{name}.parquet", tables)
        print(f"{task:22}{len(ids):>7} runs{sum(map(len, tables)):>8} rows packed")
    card.write(config.out, config.command)
    return 0


def _write(path: str, tables: Sequence[pa.Table]) -> None:
    metadata = {
        "arc.schema_version": str(schema.VERSION),
        "arc.configurations": json.dumps(configurations(tables), sort_keys=True),
    }
    merged = pa.concat_tables(table.replace_schema_metadata(metadata) for table in tables)
    losses = [field.name for field in merged.schema if pa.types.is_list(field.type)]
    with store.writing(
        path,
        merged.schema,
        compression_level=19,
        use_dictionary=[field.name for field in merged.schema if pa.types.is_string(field.type)],
        # equal bytes of the floats side by side: they compress better so
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in losses},
    ) as writer:
        writer.write_table(merged.sort_by([("run_id", "ascending"), ("cycle", "ascending")]))


def configurations(tables: Iterable[pa.Table]) -> list[dict[str, Any]]:
    """How the runs were made: each configuration but for the trial's index once, with its runs.

    Returns:
        Dictionaries of ``configuration``, ``versions`` and ``runs`` (run id to the trial's index).
    """
    found: dict[str, dict[str, Any]] = {}
    for table in tables:
        metadata = table.schema.metadata or {}
        if b"arc.configurations" in metadata:  # a pack that is packed again
            known = set(table["run_id"].to_pylist())
            for entry in json.loads(metadata[b"arc.configurations"]):
                kept = {run_id: index for run_id, index in entry["runs"].items() if run_id in known}
                _book(found, entry["configuration"], entry["versions"], kept)
        elif b"arc.configuration" in metadata:
            configuration = json.loads(metadata[b"arc.configuration"])
            index = configuration["trial"].pop("index")
            versions = json.loads(metadata[b"arc.versions"])
            _book(found, configuration, versions, {table["run_id"][0].as_py(): index})
    return [found[key] for key in sorted(found)]


def _book(found: dict[str, dict[str, Any]], configuration: Any, versions: Any, runs: dict[str, int]) -> None:
    key = json.dumps([configuration, versions], sort_keys=True)
    empty = {"configuration": configuration, "versions": versions, "runs": {}}
    found.setdefault(key, empty)["runs"].update(runs)


if __name__ == "__main__":
    sys.exit(cli.main("data_gen.pack", PackConfig, pack, logged=False))
