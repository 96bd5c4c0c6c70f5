"""The data card of a directory of trials: what is in it, how it was made, what it cost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping

from data_gen import reading, schema, store
from data_gen.counts import Counts, by_task
from tasks.errors import InputError
from tasks.work import places

ACTIONS = ("raise", "keep", "lower")

UNNAMED = "machines that older packs do not name"


HEAD = """# Trials

Every row is one trial (`data_gen/schema.py` explains the columns): a checkpoint of a small training,
continued at 1.618, 1 and 0.618 times its learning rate. `python -m data_gen.label trials={place}`
makes samples of them.

Made by

    {command}

on {machines}. Labels are counted before correction (raw)
and after it (Dong et al., 2021, section 3.3); a row is diverged when its trunk or a branch is. Seconds
are wall time of one process with one torch thread, with whatever else the machine did meanwhile.

| task | runs | rows | raw raise | keep | lower | corrected raise | keep | lower | diverged | seconds |
|---|---|---|---|---|---|---|---|---|---|---|
"""


def write(out: str, command: str) -> None:
    """Write ``out/README.md`` for the trials below ``out``."""
    tasks: dict[str, Counts] = {}
    axes: dict[str, Counter[str]] = {name: Counter() for name in ("optimizer", "data", "period")}
    whole = Counts()
    machines: set[str] = set()
    for _, table in reading.stream(store.parts(out), schema.TRIAL):
        if isinstance(table, InputError):
            raise table
        whole.add(table)
        machines |= _machines(table.schema.metadata or {})
        for task, trials in by_task(table).items():
            tasks.setdefault(task, Counts()).add(trials)
        for name, counter in axes.items():
            counter.update(str(value) for value in table[name].to_pylist())
    lines = [_line(name, counts) for name, counts in sorted(tasks.items())] + [_line("all", whole)]
    text = HEAD.format(
        place=out,
        command=command.replace("; ", "\n").replace("\n", "\n    "),
        machines="; ".join(sorted(machines)) or UNNAMED,
    ) + "\n".join(lines)
    for name, counter in axes.items():
        shares = ", ".join(f"{k} {v / whole.rows:.0%}" for k, v in sorted(counter.items(), key=_by_number))
        text += f"\n\nRows by {name}: {shares}."
    places.write_bytes(places.join(out, "README.md"), f"{text}\n".encode())


def _line(name: str, one: Counts) -> str:
    """A row of the Markdown table."""
    counts = [one.raw[a] for a in ACTIONS] + [one.label[a] for a in ACTIONS]
    cells = [one.runs, one.rows, *counts, f"{one.diverged / max(1, one.rows):.1%}", f"{one.seconds:.0f}"]
    return f"| {name} | " + " | ".join(str(c) for c in cells) + " |"


def _machines(metadata: Mapping[bytes, bytes]) -> set[str]:
    """The machines of a pack's runs."""
    made = json.loads(metadata.get(b"arc.configurations", b"[]"))
    return {entry["versions"].get("machine", UNNAMED) for entry in made}


def _by_number(item: tuple[str, int]) -> tuple[int, str]:
    return (int(item[0]), "") if item[0].isdigit() else (0, item[0])
