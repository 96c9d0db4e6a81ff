"""The recipes of the documentation, as they are written there."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import reduce
from typing import Any

import yaml

from tests.support.meltano import CHECKOUT, merge

_DOCUMENTS = [CHECKOUT / "docs" / name for name in ("recipes.md", "orchestrators.md")]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Recipe:
    """A recipe's code, by language."""

    blocks: dict[str, list[str]]

    def only(self, language: str) -> str:
        """The one block in that language."""
        [block] = self.blocks[language]
        return block

    @property
    def yaml(self) -> dict[str, Any]:
        """Its additions to `meltano.yml`, all together."""
        return reduce(merge, map(yaml.safe_load, self.blocks["yaml"]))


def recipe(title: str) -> Recipe:
    """The one with that title."""
    text = "\n".join(document.read_text("utf-8") for document in _DOCUMENTS)
    _, *parts = re.split(r"^## ", text, flags=re.MULTILINE)
    [found] = [part for part in parts if part.startswith(f"{title}\n")]
    blocks: dict[str, list[str]] = {}
    for language, code in _BLOCK.findall(found):
        blocks.setdefault(language, []).append(code)
    return Recipe(blocks)
