"""TapCometly: its settings, its one stream, and how it stops."""

from __future__ import annotations

import contextlib
import json
import sys
import traceback
import typing as t
import warnings
from copy import deepcopy
from functools import cached_property
from io import StringIO

import click
from singer_sdk import Tap
from singer_sdk.exceptions import MapExpressionError, StreamMapConfigError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator
from singer_sdk.singerlib import Catalog
from typing_extensions import override

import tap_cometly.about  # noqa: F401, makes `--about` complete
from tap_cometly.config import (
    SETTINGS_SCHEMA,
    Settings,
    explain,
    misspelt,
    settings_from_environment,
)
from tap_cometly.exceptions import CatalogError, SettingsError, TapError
from tap_cometly.messages.batch import batch_config
from tap_cometly.messages.writer import StdoutWriter
from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.signals import Stopped, StopSignal, listening_ends
from tap_cometly.state import Bookmark, checked_state, read_state
from tap_cometly.streams import ContactsStream

if t.TYPE_CHECKING:
    import logging
    from collections.abc import Iterator
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class TapCometly(Tap):
    """Singer tap for the contacts of a Cometly Space."""

    name = "tap-cometly"
    # A copy: the SDK adds its own settings to it.
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = deepcopy(SETTINGS_SCHEMA)
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        TapCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, clock: Clock | None = None, **kwargs: t.Any) -> None:
        """Create the tap.

        Args:
            clock: Tells the time and waits; the machine's unless a test passes its own.
            **kwargs: As for any tap of the SDK.
        """
        self.clock = clock or Clock()
        self.stop = StopSignal()
        self.stdout_writer = StdoutWriter(self.stop)
        kwargs.setdefault("message_writer", self.stdout_writer)
        with warnings.catch_warnings():
            # Users cannot do anything about the age of the Python that Meltano chose for them.
            warnings.filterwarnings("ignore", message="Python 3.* end of life")
            super().__init__(**kwargs)

    @cached_property
    def settings(self) -> Settings:
        """The settings, checked and typed."""
        return Settings.of(self.config)

    @override
    def discover_streams(self) -> list[ContactsStream]:
        """Return the one stream there is."""
        return [ContactsStream(self)]

    @override
    def setup_mapper(self) -> None:
        """Set up stream maps, after the catalog has been applied and completed."""
        _ = self.streams
        super().setup_mapper()

    @override
    def load_state(self, state: dict[str, t.Any]) -> None:
        """Take the state that was passed in.

        Raises:
            StateError: It cannot be understood.
        """
        checked = checked_state(state)
        # Before the SDK echoes the state: one that cannot be used must not go on to the target.
        Bookmark(checked.get("bookmarks", {}).get(ContactsStream.name, {}))
        super().load_state(checked)

    @override
    def _validate_config(self, *, raise_errors: bool = True) -> list[str]:
        """Check the settings, the bounds of each and how they go together.

        Raises:
            SettingsError: One is wrong. Not for discovery, which needs none.
        """
        for name in [name for name, value in self._config.items() if value is None]:
            del self._config[name]
        self.append_builtin_config(self.config_jsonschema)
        errors = list(JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config))
        if raise_errors:
            for warning in misspelt(self._config, self.config_jsonschema["properties"]):
                self.logger.warning(warning)
            if errors:
                raise explain(errors)
            batch_config(self._config.get("batch_config"))
            _ = self.settings
        return [str(explain(errors))] if errors else []

    @property
    @override
    def _env_var_config(self) -> dict[str, t.Any]:
        self.append_builtin_config(self.config_jsonschema)
        return settings_from_environment(self.config_jsonschema, self._env_var_prefix)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        self.stop.request(signum)

    # The command line: whatever goes wrong is told in one line.

    @classmethod
    @override
    def invoke(
        cls,
        *,
        state: t.IO[str] | None = None,
        catalog: t.IO[str] | None = None,
        **kwargs: t.Any,
    ) -> None:
        """Run the tap.

        Args:
            state: A state file.
            catalog: A catalog file.
            **kwargs: As for any tap of the SDK.
        """
        with _ends_well(cls.logger):
            super().invoke(
                state=state and StringIO(json.dumps(read_state(state.read()))),
                catalog=catalog and StringIO(_checked_catalog(catalog.read())),
                **kwargs,
            )

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> t.Any:
        """Read the configuration files."""
        with _ends_well(cls.logger):
            try:
                return super().cb_config(ctx, param, value)
            except (OSError, ValueError, TypeError) as error:
                msg = f"A configuration file cannot be read: {type(error).__name__}"
                raise SettingsError(msg, "Pass files that hold one JSON object each.") from None

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        """Print the catalog."""
        with _ends_well(cls.logger):
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Read no more than a record."""
        with _ends_well(cls.logger):
            super().cb_test(ctx, param, value)


@contextlib.contextmanager
def _ends_well(logger: logging.Logger) -> Iterator[None]:
    """Report what ends the program in one line, without a traceback, and exit accordingly."""
    stop_listening = listening_ends()
    try:
        yield
        stop_listening()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except TapError as error:
        logger.error("%s", error)  # noqa: TRY400, one line is what was promised
    except StreamMapConfigError as error:
        logger.error("Wrong setting `stream_maps`: %s", error)  # noqa: TRY400
    except MapExpressionError:
        logger.error("An expression in `stream_maps` failed on a record; correct it")  # noqa: TRY400
    except Stopped as stopped:
        logger.error("Stopped by %s; the next run goes on from the last STATE", stopped.name)  # noqa: TRY400
        stop_listening()
        raise
    except Exception as error:  # noqa: BLE001, its text may quote a record: only its place is told
        place = traceback.extract_tb(error.__traceback__)[-1]
        logger.error(  # noqa: TRY400
            "Unexpected %s in %s:%s; please report it as an issue of tap-cometly",
            type(error).__name__,
            place.filename.rsplit("/", 1)[-1],
            place.lineno,
        )
        trace = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        logger.debug("It passed through %s", " > ".join(trace))
    else:
        return
    stop_listening()
    sys.exit(1)


def _checked_catalog(text: str) -> str:
    try:
        catalog = json.loads(text)
        Catalog.from_dict({"streams": catalog["streams"]})
    except (ValueError, LookupError, TypeError, AttributeError):
        msg = "The catalog file holds no Singer catalog"
        raise CatalogError(msg, "Pass what `tap-cometly --discover` prints.") from None
    return text
