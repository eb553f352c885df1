"""From a model and an estimator to what is to be served: the files, the names and the sizes, checked beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from controller.errors import UsageError
from controller.serving import MIB, Service, check_service, default_kv_bytes, has_gpu, read_json, vllm_python
from controller.settings import Settings
from estimator.engines.base import EngineUnreachable
from estimator.engines.client import checked_key
from estimator.loading import EMBEDDED, adapter_dir, base_dir, check_files

DTYPES = ("auto", "float32", "bfloat16", "float16")
EMBEDDED_ESTIMATOR = "finece"
MOST_CONTEXT = 8192


def service_for(
    settings: Settings,
    *,
    host: str,
    port: int,
    dtype: str,
    context: int | None,
    kv_memory: int | None,
    python: str | None,
    extra: Sequence[str],
) -> Service:
    """The service, with what was left open filled in. UsageError (or LoadError) where it could not work."""
    if dtype not in DTYPES:
        raise UsageError(f"--dtype is one of {', '.join(DTYPES)}, not {dtype!r}")
    base, adapter = base_dir(settings.model).absolute(), adapter_dir(settings.model, settings.estimator).absolute()
    if failed := [c for c in check_files(base, adapter) if not c.ok]:
        raise UsageError(f"{failed[0].detail}: {failed[0].remedy}")
    cpu, shape = not has_gpu(), read_json(base / "config.json")
    context = context or min(int(shape.get("max_position_embeddings") or MOST_CONTEXT), MOST_CONTEXT)
    dtype = "float32" if cpu and dtype == "auto" else dtype
    kv_bytes = kv_memory * MIB if kv_memory is not None else default_kv_bytes(shape, context, dtype) if cpu else None
    service = Service(
        base=base,
        name=settings.model if not Path(settings.model).is_dir() else Path(settings.model).resolve().name,
        adapters={EMBEDDED_ESTIMATOR if settings.model == EMBEDDED and settings.estimator is None else adapter.name: adapter},
        host=host,
        port=port,
        dtype=dtype,
        context=context,
        kv_bytes=kv_bytes,
        api_key=_key(settings),
        cpu=cpu,
        python=vllm_python(python),
        extra=tuple(extra),
    )
    check_service(service)
    return service


def _key(settings: Settings) -> str | None:
    """The key that clients must show, as they can show it. vLLM would take an empty one for none."""
    if settings.api_key is None:
        return None
    try:
        key = checked_key(settings.api_key.get_secret_value())
    except EngineUnreachable as error:
        raise UsageError(str(error)) from None
    if key is None:
        raise UsageError("the API key is empty: set CONTROLLER_API_KEY to a key, or take it away to serve without one")
    return key
