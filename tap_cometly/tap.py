"""TapCometly: its settings, its one stream, and how it stops."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
import traceback
import typing as t
import warnings
from copy import deepcopy
from io import StringIO

import click
from singer_sdk import Tap
from singer_sdk.cli import plugin_cli
from singer_sdk.exceptions import StreamMapConfigError
from singer_sdk.helpers.capabilities import PluginCapabilities, TapCapabilities
from singer_sdk.plugin_base import JSONSchemaValidator, PluginBase, _ConfigInput
from typing_extensions import override

from tap_cometly.catalog import read_catalog
from tap_cometly.config import (
    SETTINGS_SCHEMA,
    Settings,
    normalize,
    schema_error,
    settings_from_environment,
    unknown_setting_warnings,
)
from tap_cometly.exceptions import (
    CatalogError,
    SettingsError,
    StateError,
    TapError,
    machine_error,
)
from tap_cometly.messages.batch import batch_config
from tap_cometly.messages.writer import StdoutWriter, check_stdout, output_error
from tap_cometly.runtime.clock import Clock
from tap_cometly.runtime.signals import Stopped, StopSignal, remember_handlers, stop_checking
from tap_cometly.state import Bookmark, checked_state, read_state
from tap_cometly.stream_maps import check_stream_maps, refused_map, unusable_maps
from tap_cometly.streams import ContactsStream
from tap_cometly.user_files import read_config_file, read_text

if t.TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum

logger = logging.getLogger(__name__)


def _command(tap: type[Tap]) -> click.Command:
    """Set up logging, and return the command line of the tap."""
    with _one_error_line():
        warning = _replace_unknown_log_level()
        command = _logging_set_up(tap)
        if warning:
            logger.warning(warning)
    return command


def _replace_unknown_log_level() -> str | None:
    """Put the default in the place of a log level that Python does not know.

    Returns:
        A warning to log; None when nothing was wrong.
    """
    own, common = "TAP_COMETLY_LOGLEVEL", "LOGLEVEL"
    name = own if os.environ.get(own) or common not in os.environ else common
    level = os.environ.get(name)
    if level is None or isinstance(logging.getLevelName(level.upper()), int):
        return None
    os.environ[own] = "INFO"
    return f"{name} is none of DEBUG, INFO, WARNING, ERROR, CRITICAL: INFO is used"


def _logging_set_up(tap: type[Tap]) -> click.Command:
    """Have the SDK set up logging and make the command.

    Raises:
        SettingsError: The SDK was told to use a configuration that it cannot use.
    """
    try:
        command: click.Command = PluginBase.__dict__["cli"].method(tap)
    except Exception as error:
        if "SINGER_SDK_LOG_CONFIG" not in os.environ:
            raise
        msg = f"The file that SINGER_SDK_LOG_CONFIG names cannot be used ({type(error).__name__})"
        raise SettingsError(msg, "Correct the file, or unset the variable.") from None
    for name in logging.root.manager.loggerDict:
        if name.startswith("tap_cometly"):
            # A configuration disables loggers that it does not name, if it does not say otherwise.
            logging.getLogger(name).disabled = False
    return command


class TapCometly(Tap):
    """Singer tap for the contacts of a Cometly Space."""

    # This docstring is what `--about` prints.
    name = "tap-cometly"
    # A copy: the SDK adds its own settings to it.
    config_jsonschema: t.ClassVar[dict[str, t.Any]] = deepcopy(SETTINGS_SCHEMA)
    capabilities: t.ClassVar[list[CapabilitiesEnum]] = [
        TapCapabilities.CATALOG,
        TapCapabilities.STATE,
        TapCapabilities.DISCOVER,
        PluginCapabilities.ABOUT,
        PluginCapabilities.ACTIVATE_VERSION,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    def __init__(self, *, clock: Clock | None = None, **kwargs: t.Any) -> None:
        self.clock = clock or Clock()
        self.stop = StopSignal()
        self.stdout_writer = StdoutWriter(self.stop)
        kwargs.setdefault("message_writer", self.stdout_writer)
        with warnings.catch_warnings():
            # Users cannot do anything about the age of the Python that Meltano chose for them.
            warnings.filterwarnings("ignore", message="Python 3.* end of life")
            super().__init__(**kwargs)

    @override
    def discover_streams(self) -> list[ContactsStream]:
        """Return the one stream there is."""
        return [ContactsStream(self, clock=self.clock, stop=self.stop, stdout=self.stdout_writer)]

    @override
    def setup_mapper(self) -> None:
        """Set up stream maps, after the catalog has been applied and completed.

        Raises:
            SettingsError: The SDK cannot use them.
        """
        _ = self.streams
        try:
            super().setup_mapper()
        except StreamMapConfigError:
            raise
        except Exception as error:  # noqa: BLE001, the SDK checks these settings by using them
            raise unusable_maps(error) from None

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
        self.append_builtin_config(self.config_jsonschema)
        normalize(self._config, self.config_jsonschema)
        try:
            errors = list(JSONSchemaValidator(self.config_jsonschema).iter_errors(self._config))
        except Exception as error:  # noqa: BLE001, the SDK's schema of `__else__` is invalid
            raise unusable_maps(error) from None
        if raise_errors:
            known = self.config_jsonschema["properties"]
            for warning in unknown_setting_warnings(self._config, known):
                logger.warning(warning)
            if errors:
                raise schema_error(errors)
            batch_config(self._config.get("batch_config"))
            check_stream_maps(self._config.get("stream_maps"))
            Settings.of(self.config)
        return [str(schema_error(errors))] if errors else []

    @property
    @override
    def _env_var_config(self) -> dict[str, t.Any]:
        self.append_builtin_config(self.config_jsonschema)
        return settings_from_environment(self.config_jsonschema, self._env_var_prefix)

    @override
    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        self.stop.request(signum)

    @override
    def _setup_signal_handlers(self) -> None:
        super()._setup_signal_handlers()
        self.stop.listening = threading.current_thread() is threading.main_thread()

    @override
    def run_discovery(self) -> str:
        """Print the catalog."""
        text = self.catalog_json_text
        self.stdout_writer.write_lines(f"{text}\n".encode())
        return text

    # The command line: whatever goes wrong is reported in one line.

    cli = plugin_cli(_command)

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
        with _one_error_line():
            check_stdout()
            if state is not None:
                text = read_text(state, "The state file", StateError)
                state = StringIO(json.dumps(read_state(text)))
            if catalog is not None:
                text = read_text(catalog, "The catalog file", CatalogError)
                catalog = StringIO(json.dumps(read_catalog(text)))
            super().invoke(state=state, catalog=catalog, **kwargs)

    @classmethod
    @override
    def cb_config(cls, ctx: click.Context, param: click.Option, value: tuple[str, ...]) -> t.Any:
        """Read the configuration files."""
        with _one_error_line():
            config: dict[str, t.Any] = {}
            for path in value:
                if path != "ENV":
                    config |= read_config_file(path)
            return _ConfigInput(config=config, parse_env="ENV" in value)

    @classmethod
    @override
    def cb_discover(cls, ctx: click.Context, param: click.Option, value: bool) -> None:
        """Print the catalog."""
        with _one_error_line():
            super().cb_discover(ctx, param, value)

    @classmethod
    @override
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Read no more than a record."""
        with _one_error_line():
            super().cb_test(ctx, param, value)


# Whoever configures the logger of the tap, by its name, configures those of its modules with it.
logging.getLogger("tap_cometly").parent = logging.getLogger(TapCometly.name)


@contextlib.contextmanager
def _one_error_line() -> Iterator[None]:
    """Report what ends the program in one line, without a traceback, and exit accordingly."""
    restore_handlers = remember_handlers()
    try:
        try:
            yield
        finally:
            stop_checking()
        restore_handlers()
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Stopped as stopped:
        logger.error("Stopped by %s; the next run goes on from the last STATE", stopped.name)  # noqa: TRY400
        restore_handlers()
        raise
    except Exception as error:  # noqa: BLE001, its text may quote a record: only its place is told
        trace = [f"{f.filename}:{f.lineno}" for f in traceback.extract_tb(error.__traceback__)]
        logger.debug("The error passed through %s", " > ".join(trace))
        logger.error("%s", _explained(error))  # noqa: TRY400, one line is what was promised
    else:
        return
    restore_handlers()
    sys.exit(1)


def _explained(error: Exception) -> TapError | str:
    match error:
        case TapError():
            return error
        case StreamMapConfigError():
            return refused_map(error)
        case BrokenPipeError():
            return output_error(error)
    if refused := machine_error(error):
        return refused
    place = traceback.extract_tb(error.__traceback__)[-1]
    file = place.filename.rsplit("/", 1)[-1]
    return (
        f"Unexpected {type(error).__name__} in {file}:{place.lineno}; "
        "please report it as an issue of tap-cometly"
    )
