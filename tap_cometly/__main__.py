"""The command `tap-cometly`, also as `python -m tap_cometly`."""

from __future__ import annotations

from tap_cometly.memory import collect_rarely


def main() -> None:
    """Run the tap as its command line says."""
    collect_rarely()
    from tap_cometly.tap import TapCometly  # noqa: PLC0415, after that: to import is to allocate

    TapCometly.cli()


if __name__ == "__main__":
    main()
