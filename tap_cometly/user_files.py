"""Files that a user passes in: configuration, state and catalog."""

from __future__ import annotations

import codecs
import json
import typing as t
from pathlib import Path

from tap_cometly.exceptions import SettingsError

if t.TYPE_CHECKING:
    from tap_cometly.exceptions import TapError


def read_config_file(path: str) -> dict[str, t.Any]:
    """Read a configuration file.

    Raises:
        SettingsError: It cannot be read, or does not hold a JSON object.
    """
    # A text that is not a path may be anything, e.g. the key: only what looks like one is quoted.
    is_path = Path(path).exists() or "/" in path or path.endswith(".json")
    what = f"The configuration file {path}" if is_path else "A configuration file"
    try:
        content = read_json(_decoded(Path(path).read_bytes(), what, SettingsError))
    except OSError as error:
        msg = f"{what} cannot be read ({error.strerror or type(error).__name__})"
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", None)
        msg = f"{what} is not valid JSON" + (f", see its line {line}" if line else "")
    else:
        if isinstance(content, dict):
            return content
        msg = f"{what} holds something else than settings"
    raise SettingsError(msg, "Pass files that hold one JSON object each.")


def _decoded(raw: bytes, what: str, error: type[TapError]) -> str:
    """Decode UTF-8; a byte order mark is accepted."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:2]:
        msg = f"{what} is in UTF-16"
        raise error(msg, "Write it in UTF-8, in PowerShell with `-Encoding utf8`.")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = f"{what} is not in UTF-8"
        raise error(msg, "Write it in UTF-8.") from None


def read_text(file: t.IO[str], what: str, error: type[TapError]) -> str:
    """Read a file that the command line has opened.

    Args:
        file: The file.
        what: Its name, for the error.
        error: What to raise when it is in another encoding than UTF-8.
    """
    binary: t.IO[bytes] | None = getattr(file, "buffer", None)
    return file.read() if binary is None else _decoded(binary.read(), what, error)


def read_json(text: str) -> t.Any:
    """Read JSON; NaN and infinities, which would be within all bounds, stay text."""
    return json.loads(text, parse_constant=str)
