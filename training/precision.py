"""How exactly products are computed in training."""

from __future__ import annotations

from functools import cache

import torch


def mixed(device: torch.device) -> torch.autocast:
    """bfloat16 products where ``device`` computes them itself. A processor that has to emulate them takes about five times as
    long as with float32, which it then gets (see LOG.md)."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type != "cpu" or _native())


@cache
def _native() -> bool:
    known = torch.cpu.get_capabilities()
    return any(known.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
