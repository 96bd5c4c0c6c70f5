"""The maps in CONTRIBUTING.md are those of the imports as they are."""

import importlib.util

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
