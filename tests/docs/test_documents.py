"""The documents' code runs, their commands are spelled right, every public name is in the API."""

import importlib
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml
from sybil import Document, Region
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser

import arc
import arc.methods
from tasks.work.cli import CONFIGS
from tests.docs.blocks import PROJECT, ROOT, examples, setup, shell

FENCED = r"^ *```(\w*)"
PARSERS = [PythonCodeBlockParser(), CodeBlockParser(language="bash", evaluator=shell), SkipParser()]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "arc/pretrained/README.md"]
WITH_CODE = [page for page in sorted(PAGES) if re.search(FENCED, page.read_text(), re.MULTILINE)]
LANGUAGES = {"python", "bash", "json", "mermaid", "text", ""}


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
@pytest.mark.filterwarnings("default::DeprecationWarning")  # tensorboard's
def test_the_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    document = Document.parse(str(page), *PARSERS)
    document.namespace.update(setup())
    files = [
        found.span() for found in examples().BLOCK.finditer(document.text)
    ]  # they have tests of their own
    for example in document.examples():
        if not any(start <= example.start < end for start, end in files):
            example.evaluate()


def test_the_pages_show_the_examples_as_they_are() -> None:
    pages = {page: page.read_text() for page in (ROOT / "docs").rglob("*.md")}
    old = [page.name for page, text in pages.items() if examples().shown(text) != text]
    assert not old, f"run: python docs/examples.py ({', '.join(old)})"
    assert sum(bool(examples().BLOCK.search(text)) for text in pages.values()) >= 6
    assert not any("--8<--" in text for text in pages.values()), "a code host shows no snippets"


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_says_its_language(page: Path) -> None:
    opened = re.findall(FENCED, page.read_text(), re.MULTILINE)[::2]
    assert set(opened) <= LANGUAGES - {""}, opened


def test_a_block_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for block in (
        "```python\nassert False\n```",
        "```bash\npython -m training epoch=3\n```",
        "```bash\npip install '.[nothing]'\n```",
        "```bash\nmake nothing\n```",
        "```bash\nunheard-of\n```",
        "```bash\npython -m arc replay run.csv --nothing\n```",
    ):
        document = Document.parse(_file(tmp_path, block), *PARSERS)
        examples: list[Region] = list(document.examples())
        assert len(examples) == 1
        with pytest.raises((Exception, SystemExit)):
            examples[0].evaluate()


def _file(folder: Path, text: str) -> str:
    (folder / "page.md").write_text(text + "\n")
    return str(folder / "page.md")


def test_the_extras_that_messages_name_can_be_pasted_into_any_shell() -> None:
    """zsh, the shell of a Mac, takes ``[hf]`` without quotes for a pattern: no matches found."""
    files = [*PAGES, *(file for room in ("arc", "tasks") for file in (ROOT / room).rglob("*.py"))]
    wrong = [file.name for file in files if re.search(r"pip install [^'`]*\[\w+\]", file.read_text())]
    assert not wrong


def test_every_command_is_listed() -> None:
    listed = (ROOT / "docs/commands.md").read_text()
    stages = [config.stem for config in CONFIGS.glob("*.yaml") if find_spec(config.stem)]
    assert len(stages) > 5 and all(f"`python -m {stage}`" in listed for stage in stages)


def _public() -> list[tuple[str, str]]:
    """Module and name of everything that users import, but for the adapters."""
    names = [("arc", name) for name in arc.__all__ if name != "__version__"]
    return names + [("arc.methods", name) for name in arc.methods.__all__]


API = (ROOT / "docs/api.md").read_text()


@pytest.mark.parametrize("module, name", _public())
def test_a_public_name_has_a_docstring_and_an_entry_in_the_api(module: str, name: str) -> None:
    public = getattr(importlib.import_module(module), name)
    home = public.__name__ if inspect.ismodule(public) else f"{public.__module__}.{public.__qualname__}"
    assert inspect.getdoc(public), f"{module}.{name} has no docstring"
    assert re.search(rf"^::: {re.escape(home)}$", API, re.MULTILINE), f"{home} has no entry in docs/api.md"


def test_every_adapter_has_an_entry_in_the_api() -> None:
    """Without importing its framework."""
    for file in (ROOT / "arc/integrations").glob("*.py"):
        if "class ARCCallback" in file.read_text():
            assert f"::: arc.integrations.{file.stem}.ARCCallback\n" in API


def test_a_release_is_what_is_tested_under_the_version_of_one_file() -> None:
    text = (ROOT / ".github/workflows/release.yml").read_text()
    jobs = yaml.safe_load(text)["jobs"]
    assert any(step.get("run") == "make wheel" for step in jobs["build"]["steps"])
    assert jobs["publish"]["permissions"] == {"id-token": "write"} and "password" not in jobs["publish"]
    lines = (ROOT / "arc/_version.py").read_text().splitlines()
    assert f'__version__ = "{arc.__version__}"' in lines and "^__version__ = " in text  # what it looks for
    assert "version" in PROJECT["dynamic"] and "version" not in PROJECT
    assert not re.search(r"^version:", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)


def test_the_public_ci_makes_what_there_is_on_every_python_that_is_promised() -> None:
    strategy = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["check"]["strategy"]
    rules = (ROOT / "Makefile").read_text()
    asked = {row["make"] for row in strategy["matrix"]["include"]} | set(strategy["matrix"]["make"])
    assert all(re.search(rf"^{target}:", rules, re.MULTILINE) for target in asked)
    tested = re.search(r"^test: (.*)$", rules, re.MULTILINE)
    assert tested and asked == set(tested[1].split()), "make test and the public CI check the same"
    promised = [c.rsplit(" ", 1)[1] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert strategy["matrix"]["python"] == promised
    assert PROJECT["requires-python"] == f">={promised[0]}"
