"""Standard output: whole lines, whatever is behind it."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tap_cometly.exceptions import OutputError
from tap_cometly.messages.writer import StdoutWriter, check_reader, check_stdout
from tap_cometly.runtime.signals import StopSignal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LINES = b'{"x":"' + b"y" * 1_000_000 + b'"}\n'


@pytest.fixture
def stop() -> StopSignal:
    return StopSignal()


@pytest.fixture
def out(stop: StopSignal) -> StdoutWriter:
    return StdoutWriter(stop)


@contextlib.contextmanager
def piped(*, blocking: bool) -> Iterator[int]:
    """Standard output as a pipe; gives the end to read from."""
    reader, end = os.pipe()
    os.set_blocking(end, blocking)
    with os.fdopen(end, "w", encoding="utf-8") as pipe, contextlib.redirect_stdout(pipe):
        yield reader


@pytest.mark.parametrize("blocking", [True, False])
def test_lines_are_written_whole_into_a_pipe_that_is_slowly_read(
    out: StdoutWriter, *, blocking: bool
) -> None:
    read: list[bytes] = []

    def slowly(reader: int) -> None:
        with os.fdopen(reader, "rb", buffering=0) as pipe:
            while part := pipe.read(50_000):
                read.append(part)
                time.sleep(0.001)

    with piped(blocking=blocking) as reader:
        target = threading.Thread(target=slowly, args=(reader,))
        target.start()
        out.write_lines(LINES)
        out.write_lines(LINES)
    target.join(10)

    assert b"".join(read) == LINES * 2


@pytest.mark.parametrize("blocking", [True, False])
def test_a_pipe_without_a_reader_is_told(out: StdoutWriter, *, blocking: bool) -> None:
    with piped(blocking=blocking) as reader:
        os.close(reader)

        with pytest.raises(OutputError, match="Broken pipe"):
            out.write_lines(LINES)
        with pytest.raises(OutputError, match="Broken pipe"):
            check_reader(sys.stdout.fileno())


def test_a_pipe_with_a_reader_passes_the_check() -> None:
    with piped(blocking=True) as reader:
        check_reader(sys.stdout.fileno())
        os.close(reader)


@pytest.mark.parametrize("kind", ["file", "memory", "text in memory"])
def test_only_pipes_and_sockets_have_a_reader(
    out: StdoutWriter,
    stop: StopSignal,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    monkeypatch.setattr(stop, "check_regularly", pytest.fail)
    streams = {
        "file": (tmp_path / "out").open("w", encoding="utf-8"),
        "memory": io.TextIOWrapper(io.BytesIO(), encoding="utf-8"),
        "text in memory": io.StringIO(),
    }
    with contextlib.redirect_stdout(streams[kind]):
        out.write_lines(b"{}\n")
    for stream in streams.values():
        stream.close()


def test_without_a_standard_output_that_is_told(
    out: StdoutWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", None)

    with pytest.raises(OutputError, match="Standard output is closed"):
        check_stdout()
    with pytest.raises(OutputError, match="Standard output is closed"):
        out.write_lines(b"{}\n")
