"""What follows from the tap and is written by one command: `python -m tests.generated`.

The README's tables, the catalogs that `--discover` prints, and the definition for Meltano's Hub.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.generated import catalogs, hub, readme

if TYPE_CHECKING:
    from pathlib import Path


def files() -> dict[Path, str]:
    """Each file, and what it should hold."""
    return {
        readme.README: readme.rewritten(readme.README.read_text("utf-8")),
        hub.HUB: hub.rendered(),
        **{catalogs.path_of(name): catalogs.printed(name) for name in catalogs.CATALOGS},
    }
