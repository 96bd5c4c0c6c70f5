"""The maps of CONTRIBUTING.md, from the packages' imports: python docs/map.py

Writes two Mermaid drawings between the marks in CONTRIBUTING.md: the packages, and the rooms of ``arc``. An
arrow says "imports"; one that a chain of others implies is left out. Imports within functions count, those
for type checkers only do not. Run it again when ``tests/docs/test_map.py`` asks for it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "CONTRIBUTING.md"
PACKAGES = ("arc", "tasks", "data_gen", "training", "proxy_eval")
UNDRAWN = {"arc", "arc.__main__", "arc._version", "arc.weights"}
"""The package's own names for what lies in its rooms, its command line, its version."""

Graph = dict[str, set[str]]


def imports(packages: tuple[str, ...]) -> Graph:
    """Module to the modules of ``packages`` that it imports."""
    files = {_module(path): path for package in packages for path in (ROOT / package).rglob("*.py")}
    return {name: set(_imported(ast.parse(path.read_text()), set(files))) for name, path in files.items()}


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _imported(node: ast.AST, known: set[str]) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names if alias.name in known)
        elif isinstance(child, ast.ImportFrom):
            for alias in child.names:
                name = f"{child.module}.{alias.name}"
                yield from {name if name in known else child.module or ""} & known
        elif not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from _imported(child, known)


def by_room(graph: Graph, depth: int) -> Graph:
    """The same between folders: names of at most ``depth`` parts."""
    rooms: Graph = {}
    for name, others in graph.items():
        if name in UNDRAWN and depth > 1:
            continue
        room = _room(name, depth)
        rooms.setdefault(room, set())
        rooms[room] |= {_room(o, depth) for o in others if depth == 1 or o not in UNDRAWN} - {room}
    return rooms


def _room(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def reachable(graph: Graph, start: str) -> set[str]:
    """What ``start`` imports, directly or through others."""
    seen: set[str] = set()
    todo = [*graph[start]]
    while todo:
        name = todo.pop()
        if name not in seen:
            seen.add(name)
            todo += graph[name]
    return seen


def drawn(graph: Graph) -> list[tuple[str, str]]:
    """The arrows that no chain of others implies; of rooms that import each other, both."""
    below = {name: reachable(graph, name) for name in graph}

    def implied(a: str, b: str) -> bool:
        ways = (c for c in graph[a] if c != b and a not in below[c])
        return a not in below[b] and any(b in below[c] and c not in below[b] for c in ways)

    return sorted((a, b) for a in graph for b in graph[a] if not implied(a, b))


def mermaid(graph: Graph) -> str:
    """The drawing: a room has round corners, a file of its own has none."""
    nodes = [f"  {_id(n)}({_label(n)})" if (_path(n)).is_dir() else f"  {_id(n)}[{_label(n)}]" for n in graph]
    arrows = [f"  {_id(a)} --> {_id(b)}" for a, b in drawn(graph)]
    return "\n".join(["```mermaid", "flowchart TD", *sorted(nodes), *arrows, "```"])


def _path(name: str) -> Path:
    return ROOT.joinpath(*name.split("."))


def _id(name: str) -> str:
    return name.replace(".", "_")


def _label(name: str) -> str:
    shown = name.rpartition(".")[2]
    return shown if _path(name).is_dir() else f"{shown}.py"


def page(text: str) -> str:
    """CONTRIBUTING.md with its drawings made anew."""
    for mark, graph in (
        ("packages", by_room(imports(PACKAGES), 1)),
        ("rooms of arc", by_room(imports(("arc",)), 2)),
    ):
        pattern = rf"(<!-- map: {mark}[^>]*-->\n).*?(<!-- end of map -->)"
        drawing = mermaid(graph)
        text, count = re.subn(
            pattern, lambda found, new=drawing: f"{found[1]}{new}\n{found[2]}", text, flags=re.DOTALL
        )
        assert count == 1, f"{PAGE.name} has {count} marks for the map of the {mark}, need one"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
