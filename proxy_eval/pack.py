"""``python -m proxy_eval.pack``: the runs of a comparison in one file, and back."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import pyarrow as pa
from tqdm import tqdm

from data_gen import store
from proxy_eval import asked
from proxy_eval import comparison_schema as schema
from tasks.errors import InputError
from tasks.work import cli

T = TypeVar("T")

METADATA = pa.field("metadata", pa.string())
PACKED = pa.schema([*schema.RUN, METADATA])
"""A run, and what its part says of versions and hardware (JSON)."""


@dataclass(frozen=True, kw_only=True)
class PackConfig:
    """Keys of ``configs/proxy_eval.pack.yaml``, where each is explained."""

    comparison: str
    file: str
    unpack: bool


def pack(config: PackConfig) -> int:
    """From the directory to the file, or the other way; the exit code.

    The file holds the runs that stand in the report: those of a former controller stay where they are.
    """
    count = unpacked(config) if config.unpack else packed(config)
    print(f"{count} runs written to {config.comparison if config.unpack else config.file}", file=sys.stderr)
    return 0


def packed(config: PackConfig) -> int:
    """Write the file; how many runs it holds."""
    wanted = asked.read(config.comparison)
    tables = []
    for row in _bar(wanted.to_dict("records"), "pack"):
        path = store.part_path(config.comparison, row["task"], row["run_id"])
        if not store.exists(path):
            continue
        table = schema.read(path)
        metadata = {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}
        for name in schema.KEY:  # a run may serve under another label than it was made under
            column = pa.array([row[name]], schema.RUN.field(name).type, from_pandas=True)
            table = table.set_column(table.schema.get_field_index(name), name, column)
        table = table.append_column(METADATA, [[json.dumps(metadata, sort_keys=True)]])
        tables.append(table.replace_schema_metadata())
    if not tables:
        raise InputError(f"no runs in {config.comparison!r}; make some with python -m proxy_eval.compare")
    together = pa.concat_tables(tables).cast(PACKED)
    commands = {asked.COMMANDS: json.dumps(asked.commands_of(config.comparison))}
    lists = [f.name for f in PACKED if pa.types.is_list(f.type) and pa.types.is_floating(f.type.value_type)]
    with store.writing(
        config.file,
        PACKED.with_metadata(commands),
        compression_level=19,
        use_dictionary=[f.name for f in PACKED if f.name not in lists],
        column_encoding={f"{name}.list.element": "BYTE_STREAM_SPLIT" for name in lists},
    ) as writer:
        writer.write_table(together.replace_schema_metadata(commands))
    return len(together)


def unpacked(config: PackConfig) -> int:
    """Write the parts that the directory lacks, and what was asked for; how many runs the file holds."""
    if not store.exists(config.file):
        raise InputError(f"no file {config.file!r}; make one with python -m proxy_eval.pack")
    table = schema.read(config.file, PACKED)
    for row in _bar(range(len(table)), "unpack"):
        one = table.slice(row, 1)
        path = store.part_path(config.comparison, one["task"][0].as_py(), one["run_id"][0].as_py())
        if not store.exists(path):
            metadata = json.loads(one["metadata"][0].as_py())
            store.write(path, one.drop(["metadata"]).cast(schema.RUN.with_metadata(metadata)))
    commands = json.loads((table.schema.metadata or {})[asked.COMMANDS])
    asked.add(table.select(asked.SCHEMA.names).to_pandas(), config.comparison, commands)
    return len(table)


def _bar(items: Iterable[T], title: str) -> Iterable[T]:
    return tqdm(items, desc=title, unit=" runs", disable=not sys.stderr.isatty())


if __name__ == "__main__":
    sys.exit(cli.main("proxy_eval.pack", PackConfig, pack, logged=False))
