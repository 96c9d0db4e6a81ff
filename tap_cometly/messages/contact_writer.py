"""Where contacts go: through which lane, and as RECORDs or as files."""

from __future__ import annotations

import typing as t

from singer_sdk.mapper import SameRecordTransform

from tap_cometly.messages.batch import BatchWriter, batch_config
from tap_cometly.messages.encoder import BlockEncoder, Encoder, MappedEncoder
from tap_cometly.messages.writer import RecordWriter

if t.TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from singer_sdk import Stream

    from tap_cometly.contacts.schema import Field
    from tap_cometly.messages.writer import StdoutWriter


def contact_writer(
    stream: Stream,
    fields: Sequence[Field],
    out: StdoutWriter,
    *,
    version: int | None,
    on_batch: Callable[[], None],
) -> RecordWriter | BatchWriter:
    """Give what writes contacts the way settings and catalog ask for.

    Args:
        stream: The stream, with its catalog applied.
        fields: Of a contact.
        out: Standard output.
        version: Of the table, when one is active.
        on_batch: Called whenever a BATCH has been sent.

    Raises:
        SettingsError: `batch_config` makes no sense.
    """
    encoder = _encoder(stream, fields, version)
    config = batch_config(stream.config.get("batch_config"))
    if config is None or stream.ABORT_AT_RECORD_COUNT is not None:
        return RecordWriter(encoder, out)
    return BatchWriter(config, encoder, out, version=version, on_batch=on_batch)


def _encoder(stream: Stream, fields: Sequence[Field], version: int | None) -> Encoder:
    """Choose the fast lane unless something has to look at each record."""
    [*maps] = stream.stream_maps
    as_it_is = (
        len(maps) == 1
        and type(maps[0]) is SameRecordTransform
        and not maps[0].flattening_enabled
        and maps[0].stream_alias == stream.name
    )
    columns = stream.effective_schema["properties"]
    left_out = [
        field.name
        for field in fields
        if field.name not in columns or not stream.mask[("properties", field.name)]
    ]
    if as_it_is and not left_out and columns == stream.schema["properties"]:
        return BlockEncoder(stream.name, version)
    return MappedEncoder(maps, left_out, version)
