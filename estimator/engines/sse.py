"""Server-sent events, as far as model servers use them."""

from __future__ import annotations

from collections.abc import AsyncIterator


async def data_lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The ``data`` fields of a stream, in whatever pieces its bytes arrive. Only a newline ends a line: U+2028 and other
    characters that ``str.splitlines`` takes for line ends are text of the model. A last line without its newline was cut
    off and is dropped."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip()
