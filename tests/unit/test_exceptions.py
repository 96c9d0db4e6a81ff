"""The tree of exceptions, and what the machine refuses told as that."""

from __future__ import annotations

import errno
import inspect
import os
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


def wrapped(error: OSError) -> requests.ConnectionError:
    """An error of the operating system as `requests` hands it on."""
    pool = urllib3.HTTPConnectionPool("localhost")
    connection = urllib3.connection.HTTPConnection("localhost")
    reason = urllib3.exceptions.NewConnectionError(connection, "failed")
    reason.__cause__ = error
    return requests.ConnectionError(urllib3.exceptions.MaxRetryError(pool, "/", reason))


@pytest.mark.parametrize(
    ("number", "says"),
    [
        (errno.EMFILE, "ulimit -n"),
        (errno.ENFILE, "fs.file-max"),
        (errno.ENOSPC, "TMPDIR"),
        (errno.EDQUOT, "quota"),
        (errno.ENOMEM, "memory"),
    ],
)
def test_what_the_machine_refuses_says_what_to_raise(number: int, says: str) -> None:
    plain = OSError(number, os.strerror(number))

    for failure in (plain, wrapped(plain)):
        assert says in str(machine_error(failure))


def test_a_missing_temporary_directory_and_missing_threads_are_told() -> None:
    nowhere = FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    assert "Set TMPDIR" in str(machine_error(nowhere))
    assert "ulimit -u" in str(machine_error(RuntimeError("can't start new thread")))
    assert "memory" in str(machine_error(MemoryError()))


@pytest.mark.parametrize(
    "failure",
    [ValueError("no"), RuntimeError("no"), OSError(errno.ECONNRESET, "reset"), OSError("odd")],
)
def test_other_errors_are_not_the_machines(failure: Exception) -> None:
    assert machine_error(failure) is None
