"""The tap's definition for Meltano's Hub.

What a user can set is said in `meltano.yml`; the Hub wants to know more about the package.
"""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path
from typing import Any

import yaml

CHECKOUT = Path(__file__).parents[2]
HUB = CHECKOUT / "hub" / "tap-cometly.yml"

_HEAD = (
    "# Written by `python -m tests.generated` from meltano.yml and the package's metadata.\n"
    "# For Meltano 3.9 or newer.\n"
)
_OF_THIS_CHECKOUT = {"config", "pip_url"}
_PYTHON = "Programming Language :: Python :: 3."
_WIDE = 10_000  # columns: no text is folded


def extractor() -> dict[str, Any]:
    """The tap as the project's `meltano.yml` defines it."""
    project = yaml.safe_load((CHECKOUT / "meltano.yml").read_text("utf-8"))
    [definition] = project["plugins"]["extractors"]
    described: dict[str, Any] = definition
    return described


def definition() -> dict[str, Any]:
    """The tap as the Hub is to define it."""
    about_package = metadata("tap-cometly")
    classifiers = about_package.get_all("Classifier", [])
    plugin = {name: part for name, part in extractor().items() if name not in _OF_THIS_CHECKOUT}
    return {
        **plugin,
        "domain_url": "https://www.cometly.com",
        "keywords": ["api", "meltano_sdk"],
        "maintenance_status": "beta",
        "pip_url": about_package["Name"],
        "quality": "unknown",  # for the Hub to judge
        "supported_python_versions": [c.split()[-1] for c in classifiers if c.startswith(_PYTHON)],
        **_repository(about_package.get_all("Project-URL", [])),
    }


def _repository(urls: list[str]) -> dict[str, str]:
    """Where it lives; the Hub calls a variant by the owner's name."""
    addresses = dict(url.split(", ", 1) for url in urls)
    if "Repository" not in addresses:
        return {"variant": "community"}
    repository = addresses["Repository"]
    return {"repo": repository, "variant": repository.split("/")[-2].lower()}


def rendered() -> str:
    """The file, in the Hub's style: keys sorted, lists not indented."""
    return _HEAD + yaml.safe_dump(definition(), allow_unicode=True, width=_WIDE)
