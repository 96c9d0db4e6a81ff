"""Whatever environment, settings, state and catalog hold, a run ends well: the word "Unexpected",
which asks for an issue to be filed, is never logged.
"""

from __future__ import annotations

import copy
import json
import os
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.generated import catalogs
from tests.generated.readme import about
from tests.integration.conftest import NOW
from tests.sandbox import Options, Sandbox
from tests.support.clock import FakeClock
from tests.support.properties import PLENTY
from tests.support.running import sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.running import Run

CATALOG = json.loads(catalogs.path_of("catalog").read_text("utf-8"))
NAMES = sorted(set(about()["settings"]["properties"]) - {"api_url"})  # else it asks somebody else
MODES = st.sampled_from(["auto", "pagination", "export"])

pytestmark = pytest.mark.slow

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "100"))
some = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

texts = st.text(max_size=12) | st.sampled_from(
    [
        *("", "0", "-1", "1e400", "null", "{}", "[]", "true", "UTC"),
        *("2024-01-01", "9999-12-31", "é\ud7ff"),
    ]
)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
scalars = st.none() | st.booleans() | numbers | texts
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
expressions = texts | st.sampled_from(
    ["name", "email.no", "fake.name()", "md5(None)", "1/0", "str(id)", "record", "[x for x in y]"]
)
maps = st.dictionaries(
    st.sampled_from(["contacts", "con*", "people", "__else__", ""]),
    st.none()
    | st.just("__NULL__")
    | st.dictionaries(
        st.sampled_from(
            [
                *("", "id", "name", "new", "__filter__", "__alias__", "__source__", "__else__"),
                "__key_properties__",
            ]
        ),
        st.none() | st.just("contacts") | expressions | values,
        max_size=3,
    ),
    max_size=2,
)
batches = st.fixed_dictionaries(
    {},
    optional={
        "encoding": st.sampled_from([{"format": "jsonl"}, {"format": "parquet"}, {}]) | values,
        "storage": st.sampled_from(
            ["memory://x", "x", "", "nope://x", "file://", "s3:", "gs://"]
        ).map(lambda root: {"root": root})
        | st.builds(lambda prefix: {"root": "memory://x", "prefix": prefix}, values),
        "batch_size": st.integers(-1, 3) | values,
    },
)
of_a_setting = {
    "stream_maps": maps | values,
    "batch_config": batches | scalars,
    "faker_config": st.fixed_dictionaries(
        {"locale": values | st.sampled_from(["en_US", "xx_XX", ["de_DE"]])},
        optional={"seed": values},
    )
    | values,
    "flattening_max_depth": st.integers(-1, 3) | values,
    "extraction_mode": MODES | values,
}


@pytest.fixture
def cometly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Sandbox, FakeClock]]:
    monkeypatch.chdir(tmp_path)  # a relative root of BATCH files is one
    clock = FakeClock(NOW)
    options = Options(limits=PLENTY, queued_seconds=0.0)
    with Sandbox(options, now=clock.epoch, monotonic=clock.monotonic) as sandbox:
        sandbox.space.fill(3, NOW - timedelta(days=9), NOW - timedelta(hours=1))
        yield sandbox, clock


def ends_well(run: Run) -> None:
    assert "Unexpected" not in run.log, run.log
    assert "Traceback" not in run.log, run.log
    assert run.exit in {0, 1}
    assert len(run.errors) == run.exit, run.log


@some
@given(
    names=st.lists(st.sampled_from([*NAMES, *of_a_setting]), min_size=1, max_size=3, unique=True),
    more=st.sampled_from([[], ["--test"]]),
    data=st.data(),
)
def test_settings_of_any_kind_end_well(
    cometly: tuple[Sandbox, FakeClock], names: list[str], more: list[str], data: st.DataObject
) -> None:
    sandbox, clock = cometly
    config = {name: data.draw(of_a_setting.get(name, values), name) for name in names}

    ends_well(sync(sandbox, config, clock=clock, more=more))


@some
@given(
    variables=st.dictionaries(
        st.sampled_from(
            [*(f"TAP_COMETLY_{name.upper()}" for name in (*NAMES, "LOGLEVEL")), "LOGLEVEL"]
        ),
        texts.filter(lambda text: "\0" not in text) | values.map(json.dumps),
        min_size=1,
        max_size=3,
    )
)
def test_an_environment_of_any_kind_ends_well(
    cometly: tuple[Sandbox, FakeClock], variables: dict[str, str]
) -> None:
    sandbox, clock = cometly

    ends_well(sync(sandbox, clock=clock, more=["--config=ENV"], env=variables))


bookmarks = st.fixed_dictionaries(
    {},
    optional={
        "replication_key": st.sampled_from(["created_at", "id"]) | values,
        "replication_key_value": st.sampled_from(["2024-05-01T00:00:00Z", "2024-05-01"]) | values,
        "starting_replication_value": values,
        "progress_markers": values,
        "partitions": values,
        "columns": values,
        "timezone": values,
    },
)
states = (
    values
    | st.fixed_dictionaries({"bookmarks": values})
    | st.fixed_dictionaries({"bookmarks": st.dictionaries(texts, values, max_size=2)})
    | st.fixed_dictionaries({"bookmarks": st.fixed_dictionaries({"contacts": bookmarks})})
    | st.fixed_dictionaries({"type": st.just("STATE"), "value": values})
)


@some
@given(state=states | texts, mode=MODES)
def test_a_state_of_any_kind_ends_well(
    cometly: tuple[Sandbox, FakeClock], state: Any, mode: str
) -> None:
    sandbox, clock = cometly
    given_state = state if isinstance(state, str) else json.dumps(state)

    ends_well(sync(sandbox, {"extraction_mode": mode}, given_state, clock=clock))


def places(part: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be replaced in a JSON value."""
    yield path
    keys = part if isinstance(part, dict) else range(len(part)) if isinstance(part, list) else ()
    for key in keys:
        yield from places(part[key], (*path, key))


PLACES = list(places(CATALOG))
REMOVED = object()


def with_change(part: Any, place: tuple[Any, ...], value: Any) -> Any:
    """The same JSON value with something else in a place, or with nothing there."""
    if not place:
        return value
    key, *rest = place
    if place[:1] not in places(part):
        return part
    if not rest and value is REMOVED:
        del part[key]
    else:
        part[key] = with_change(part[key], tuple(rest), value)
    return part


@some
@given(
    replaced=st.dictionaries(st.sampled_from(PLACES), values, max_size=2),
    removed=st.none() | st.sampled_from(PLACES[1:]),
    method=st.sampled_from(["INCREMENTAL", "FULL_TABLE", None]),
)
def test_a_catalog_of_any_kind_ends_well(
    cometly: tuple[Sandbox, FakeClock],
    replaced: dict[tuple[Any, ...], Any],
    removed: tuple[Any, ...] | None,
    method: str | None,
) -> None:
    sandbox, clock = cometly
    catalog: Any = copy.deepcopy(CATALOG)
    catalog["streams"][0]["replication_method"] = method
    for place, value in sorted(replaced.items(), key=lambda item: -len(item[0])):
        catalog = with_change(catalog, place, value)
    if removed:
        catalog = with_change(catalog, removed, REMOVED)

    ends_well(sync(sandbox, catalog=json.dumps(catalog), clock=clock))
