"""The maps in CONTRIBUTING.md are those of the imports as they are."""

import importlib.util
import re
import sys
from typing import Any

import torch

import arc
from tests.arc.helpers import fit_sums
from tests.docs.test_documents import ROOT


def _map():
    spec = importlib.util.spec_from_file_location("docs_map", ROOT / "docs/map.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_maps_are_up_to_date() -> None:
    module, text = _map(), (ROOT / "CONTRIBUTING.md").read_text()
    assert module.page(text) == text, "run: python docs/map.py"


def test_an_arrow_that_others_imply_is_left_out() -> None:
    chain = {"a": {"b", "c"}, "b": {"c"}, "c": set()}
    assert _map().drawn(chain) == [("a", "b"), ("b", "c")]


def test_rooms_that_import_each_other_have_both_arrows() -> None:
    both = {"a": {"b", "d"}, "b": {"a", "c"}, "c": set(), "d": {"c"}}
    assert {("a", "b"), ("b", "a"), ("b", "c"), ("a", "d"), ("d", "c")} == set(_map().drawn(both))


def test_modules_do_not_import_each_other_in_circles() -> None:
    module = _map()
    graph = module.imports((*module.PACKAGES, "benchmarks"))
    circles = {name for name in graph if name in module.reachable(graph, name)}
    assert not circles


def test_the_walk_of_a_loss_is_the_way_that_it_takes() -> None:
    """Each file of the table has a say in a decision of the shipped controller; there are at most eight."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    table = text.split("### One loss")[1].split("Beside it")[0]
    walk = re.findall(r"^\| `(\S+)`", table, re.MULTILINE)
    assert 0 < len(walk) <= 8
    torch.manual_seed(0)
    layer, x = torch.nn.Linear(3, 1), torch.randn(16, 3)
    sgd = torch.optim.SGD(layer.parameters(), lr=1e-4)
    controller = arc.Controller(sgd, period=1, verbose=False)
    called: set[str] = set()

    def note(frame: Any, *_: Any) -> None:
        called.add(frame.f_code.co_filename)

    sys.setprofile(note)
    try:
        fit_sums(layer, sgd, x, 12, controller.record)
        assert controller.step(1.0) is not None
    finally:
        sys.setprofile(None)
    assert not [file for file in walk if str(ROOT / file) not in called]


def test_a_source_file_is_read_in_one_sitting() -> None:
    """At most 200 lines: a longer one holds a second idea."""
    packages = (*_map().PACKAGES, "benchmarks")
    files = [path for package in packages for path in (ROOT / package).rglob("*.py")]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > 200} == {}


def test_the_rooms_below_the_controller_do_not_import_each_other_in_circles() -> None:
    """The controller logs by ``view`` and searches by ``methods``, some of whose files build controllers."""
    module = _map()
    rooms = module.by_room(module.imports(("arc",)), 2)
    above = {"arc.controller", "arc.saved", "arc.methods", "arc.view"}
    assert {name for name in rooms if name in module.reachable(rooms, name)} <= above
