"""Invented contacts, a file of any number of them, and where each one is in it.

One contact was created every ten seconds, so instants and places in the file convert to each other
by arithmetic. The file is gzip with a member for each 5,000 contacts: the file of fewer contacts
is its beginning, and a page is one member.
"""

from __future__ import annotations

import gzip
import json
import random
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
STEP = timedelta(seconds=10)
MEMBER = 5_000  # contacts
_FIRST_ID = 104_000_000
_FIRST_NAMES = [
    "John",
    "Jane",
    "Amir",
    "Chloé",
    "Diego",
    "Emma",
    "Femi",
    "Grace",
    "Hiro",
    "Ines",
    "Jonas",
    "Keiko",
    "Liam",
    "Mei",
]
_LAST_NAMES = [
    "Doe",
    "Smith",
    "Khan",
    "Martin",
    "García",
    "Müller",
    "Okafor",
    "Lee",
    "Sato",
    "Silva",
    "Novak",
    "Rossi",
    "Chen",
]
_COUNTRIES = ["US", "GB", "DE", "FR", "ES", "BR", "IN", "JP", "NG", "CA", "AU", "MX"]


def created(index: int) -> datetime:
    """When the contact at this place was created."""
    return START + index * STEP


def indices(start: datetime, end: datetime, contacts: int) -> range:
    """The places of the contacts that were created from `start` to `end`, both included."""
    first = -((START - start) // STEP)
    last = (end - START) // STEP
    return range(max(first, 0), min(last + 1, contacts))


def member(number: int) -> bytes:
    """Lines of 5,000 contacts, the same in every run."""
    dice = random.Random(number)  # noqa: S311, no secrets here
    first = number * MEMBER
    return b"".join(_line(index, dice) for index in range(first, first + MEMBER))


def _line(index: int, dice: random.Random) -> bytes:
    name, surname = dice.choice(_FIRST_NAMES), dice.choice(_LAST_NAMES)
    contact = {
        "id": _FIRST_ID + index,
        "email": f"{surname.lower()}{dice.randrange(10**5)}@example.com",
        "name": f"{name} {surname}",
        "phone": f"+1{dice.randrange(10**10):010d}",
        "location": dice.choice(_COUNTRIES),
        "created_at": f"{created(index):%Y-%m-%dT%H:%M:%SZ}",
        "comet_tokens": [f"{dice.getrandbits(40):010x}" for _ in range(2)],
    }
    return json.dumps(contact, separators=(",", ":")).encode() + b"\n"


class Space:
    """A file of contacts, with random access."""

    def __init__(self, path: Path) -> None:
        self.path = path
        sizes = json.loads(_index_of(path).read_text())
        self.offsets = [0]
        for size in sizes:
            self.offsets.append(self.offsets[-1] + size)

    @property
    def contacts(self) -> int:
        return (len(self.offsets) - 1) * MEMBER

    def zipped(self, members: range) -> tuple[int, int]:
        """Offset and number of the bytes that hold some members."""
        begin = self.offsets[members.start]
        return begin, self.offsets[members.stop] - begin

    def lines(self, wanted: range) -> Iterator[bytes]:
        """The lines of the contacts at these places, a part of one member at a time."""
        at = wanted.start
        while at < wanted.stop:
            number = at // MEMBER
            first = number * MEMBER
            here = self._member(number).splitlines(keepends=True)
            yield b"".join(here[at - first : wanted.stop - first])
            at = first + MEMBER

    def _member(self, number: int) -> bytes:
        begin, size = self.zipped(range(number, number + 1))
        with self.path.open("rb") as file:
            file.seek(begin)
            return gzip.decompress(file.read(size))


def made(folder: Path, contacts: int) -> Path:
    """The file of so many contacts, a multiple of 5,000; made unless it is there."""
    path = folder / f"contacts-{contacts}.jsonl.gz"
    if not _index_of(path).exists():
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            zipped = (gzip.compress(member(n), 6, mtime=0) for n in range(contacts // MEMBER))
            sizes = [file.write(part) for part in zipped]
        _index_of(path).write_text(json.dumps(sizes))
    return path


def beginning(whole: Path, contacts: int) -> Path:
    """The file of the first contacts of a larger one."""
    path = whole.with_name(f"contacts-{contacts}.jsonl.gz")
    if not _index_of(path).exists():
        space = Space(whole)
        members = range(contacts // MEMBER)
        with whole.open("rb") as source, path.open("wb") as file:
            left = space.zipped(members)[1]
            while part := source.read(min(left, 2**20)):
                left -= file.write(part)
        sizes = [space.zipped(range(n, n + 1))[1] for n in members]
        _index_of(path).write_text(json.dumps(sizes))
    return path


def _index_of(path: Path) -> Path:
    return path.with_suffix(".index")
