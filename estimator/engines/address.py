"""The address of a model server, as users give it."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit


def read_address(url: str) -> tuple[str, str | None]:
    """The address without ``/v1`` at its end and without credentials, so that it can be shown, and its credentials
    (``user:password``), None where it has none. ValueError, without showing any, where it is no address."""
    _, at, rest = url.rpartition("@")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna")  # refuses what no name server is asked for, as an empty label
        usable = parts.scheme in ("http", "https") and bool(host) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket without its other one
        usable = False
    if not usable:
        raise ValueError(f"{('…@' + rest if at else url)!r} is no server address: give it as http://HOST:PORT")
    credentials, at, host_and_port = parts.netloc.rpartition("@")
    root = parts._replace(netloc=host_and_port).geturl().rstrip("/").removesuffix("/v1")
    return root, unquote(credentials) if at else None
