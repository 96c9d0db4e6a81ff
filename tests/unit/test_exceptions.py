"""The tree of exceptions, and errors of the machine."""

from __future__ import annotations

import errno
import inspect
import re

import pytest
import requests
import urllib3

from tap_cometly import exceptions
from tap_cometly.exceptions import machine_error

_DRAWN = re.compile(r"^    ((?:[│ ]   )*(?:[├└]── )?)(\w+(?:, \w+)*)", re.MULTILINE)


def test_the_tree_in_the_docstring_is_the_one_of_the_classes() -> None:
    drawn: dict[str, str] = {}
    path: list[str] = []
    for depth, names in re.findall(_DRAWN, exceptions.__doc__ or ""):
        for name in names.split(", "):
            path[len(depth) // 4 :] = [name]
            drawn[name] = path[-2] if len(path) > 1 else "Exception"

    classes = {
        name: kind.__bases__[0].__name__
        for name, kind in inspect.getmembers(exceptions, inspect.isclass)
        if kind.__module__ == exceptions.__name__
    }
    assert {name: parent for name, parent in drawn.items() if name != "Exception"} == classes


def wrapped(error: Exception) -> requests.ConnectionError:
    """An error beneath a connection, as `requests` hands it on."""
    pool = urllib3.HTTPConnectionPool("localhost")
    connection = urllib3.connection.HTTPConnection("localhost")
    reason = urllib3.exceptions.NewConnectionError(connection, "failed")
    reason.__cause__ = error
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", reason))


NO_DIRECTORY = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (OSError(errno.EMFILE, "x"), "ulimit -n"),
        (OSError(errno.ENFILE, "x"), "fs.file-max"),
        (OSError(errno.ENOSPC, "x"), "TMPDIR"),
        (OSError(errno.EDQUOT, "x"), "quota"),
        (OSError(errno.ENOMEM, "x"), "memory"),
        (MemoryError(), "memory"),
        (NO_DIRECTORY, "Set TMPDIR"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (RuntimeError("no"), None),
        (ValueError("no"), None),
        (OSError(errno.ECONNRESET, "reset"), None),
        (OSError("odd"), None),
    ],
)
def test_a_limit_of_the_machine_is_recognized_and_named(
    failure: Exception, says: str | None
) -> None:
    for error in (failure, wrapped(failure)):
        told = machine_error(error)
        assert told is None if says is None else says in str(told)
