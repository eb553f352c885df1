"""What this program calls itself."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

PACKAGE = "finece-controller"


def package_version() -> str:
    """The installed version, or a word for a plain checkout."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "(not installed)"
