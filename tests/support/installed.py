"""How the tap under test got here: from a checkout that may be edited, or as a built package."""

from __future__ import annotations

import json
import shlex
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


def package() -> Path:
    """The folder that `import tap_cometly` has to come from."""
    origin = _origin()
    if _is_editable(origin):
        return _path(origin) / "tap_cometly"
    return Path(str(distribution("tap-cometly").locate_file("tap_cometly")))


def requirement() -> str:
    """What to tell pip to get the same tap into another environment."""
    origin = _origin()
    if _is_editable(origin):
        return f"-e {shlex.quote(str(_path(origin)))}"
    return str(origin.get("url", f"tap-cometly=={distribution('tap-cometly').version}"))


def _origin() -> dict[str, Any]:
    """As the installer noted it; nothing when it came from a package index."""
    noted = distribution("tap-cometly").read_text("direct_url.json")
    origin: dict[str, Any] = json.loads(noted) if noted else {}
    return origin


def _is_editable(origin: dict[str, Any]) -> bool:
    return bool(origin.get("dir_info", {}).get("editable"))


def _path(origin: dict[str, Any]) -> Path:
    return Path(unquote(urlsplit(origin["url"]).path))
