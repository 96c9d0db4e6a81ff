"""The documents agree with the code, and with each other."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tap_cometly.exceptions import TapError
from tests.sandbox import Options
from tests.support.properties import PLENTY
from tests.support.running import launch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sandbox.fixture import StartSandbox

CHECKOUT = Path(__file__).parents[1]
DOCS = sorted((CHECKOUT / "docs").glob("*.md"))
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *DOCS]

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE_BLOCK = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def anchors(page: Path) -> set[str]:
    """What GitHub makes of a document's headings."""
    headings = _HEADING.findall(_CODE_BLOCK.sub("", text_of(page)))
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_what_is_there(page: Path) -> None:
    for link in _LINK.findall(text_of(page)):
        if link.startswith("https://"):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_the_readme_is_good_for_pypi_too() -> None:
    text = text_of(CHECKOUT / "README.md")

    assert [link for link in _LINK.findall(text) if not link.startswith("https://")] == []
    assert "```mermaid" not in text


def test_the_readme_names_every_document() -> None:
    text = text_of(CHECKOUT / "README.md")

    assert [page.name for page in DOCS if f"`docs/{page.name}`" not in text] == []


def expected_failures(kind: type[TapError] = TapError) -> Iterator[str]:
    for special in kind.__subclasses__():
        if special.__module__.startswith("tap_cometly."):
            yield special.__name__
            yield from expected_failures(special)


def test_each_expected_failure_has_a_section_under_troubleshooting() -> None:
    page = text_of(CHECKOUT / "docs" / "troubleshooting.md")
    sections = re.findall(r"^## `(\w+)`$", page, re.MULTILINE)

    assert sorted(sections) == sorted(set(expected_failures()))


NEVER_THE_LAST_WORD = (
    "The list of contacts did not answer in time (",
    "The list did not answer a moment ago",
    "Cometly's API is busy with another export (status",
    "The answer to creating an export was lost (",
    "is over its limit (429)",
    "limit is used up",
    "No export can read this window:",
)
"""Of errors that the tap goes on from; their sections say so."""


def literals(node: ast.expr) -> list[str]:
    """The parts of a text that are the same in every case."""
    match node:
        case ast.Constant(value=str(text)):
            return [text.strip()]
        case ast.JoinedStr(values=parts):
            return [text for part in parts for text in literals(part)]
    return []


def messages() -> Iterator[list[str]]:
    """What errors say, by their literal parts; reasons, which begin with a small letter, aside."""
    for module in (CHECKOUT / "tap_cometly").rglob("*.py"):
        for node in ast.walk(ast.parse(text_of(module))):
            match node:
                case ast.Assign(targets=[ast.Name(id="msg" | "what")], value=text):
                    parts = literals(text)
                case ast.Call(func=ast.Name(id=name), args=[text, *_]) if name.endswith("Error"):
                    parts = literals(text)
                case _:
                    continue
            if parts and not parts[0][:1].islower():
                yield parts


def test_each_error_is_explained_under_troubleshooting() -> None:
    page = " ".join(text_of(CHECKOUT / "docs" / "troubleshooting.md").split())

    texts = [*messages()]

    assert len(texts) > 50
    missing = [parts for parts in texts if not all(part in page for part in parts)]
    assert [parts for parts in missing if not {*parts} & {*NEVER_THE_LAST_WORD}] == []


def test_the_documented_logging_configuration_switches_metrics_off(
    sandbox: StartSandbox, tmp_path: Path
) -> None:
    cometly = sandbox(Options(limits=PLENTY))
    cometly.space.add(created_at=datetime(2024, 1, 2, tzinfo=timezone.utc))
    page = text_of(CHECKOUT / "docs" / "logging.md")
    [configuration] = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    file = tmp_path / "logging.yaml"
    file.write_text(configuration, "utf-8")

    run = launch(cometly, env={"SINGER_SDK_LOG_CONFIG": str(file), "TAP_COMETLY_LOGLEVEL": "INFO"})

    assert run.exit == 0
    assert "Done: 1 contacts" in run.log
    assert "METRIC" not in run.log
