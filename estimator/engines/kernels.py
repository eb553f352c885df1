"""The two kernels that decide decoding speed on a CPU, put into any transformers model in place of the stock ones.

Attention of one query token a row over grouped keys is two batched products, without repeating keys for the query heads that
share them. Float32 products of many rows go to oneDNN where the processor has AVX-512 and is not Intel's, on which alone the
default BLAS uses its full width (elsewhere oneDNN was twice as fast; on Intel's, or without AVX-512, slower: see LOG.md).
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

NAME = "grouped_decode"
MIN_ROWS = 16


def grouped_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """``query`` (rows, heads, length, head_dim), ``key`` and ``value`` (rows, kv_heads, columns, head_dim), mask True where
    a column is seen. Returns (rows, length, heads, head_dim). Keys are not repeated for the query heads that share them."""
    if query.shape[2] != 1 or (attention_mask is not None and attention_mask.dtype != torch.bool):
        return sdpa_attention_forward(module, query, key, value, attention_mask, scaling=scaling, **options)
    rows, heads, _, head_dim = query.shape
    grouped = query.view(rows, key.shape[1], -1, head_dim) * (scaling if scaling is not None else head_dim**-0.5)
    scores = grouped @ key.transpose(-1, -2)
    if attention_mask is not None:
        scores.masked_fill_(~attention_mask, float("-inf"))
    return (scores.softmax(-1) @ value).view(rows, 1, heads, head_dim), None


class OneDnnLinear(torch.nn.Linear):
    """A linear layer without gradients: oneDNN for ``MIN_ROWS`` rows or more, the stock product otherwise."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        if input.numel() < MIN_ROWS * self.in_features or torch.is_grad_enabled():
            return torch.nn.functional.linear(input, self.weight, self.bias)
        return torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")


def install(model: Any) -> None:
    """Put the kernels into a model that is only used for inference. Weights and results stay the same up to rounding."""
    AttentionInterface.register(NAME, grouped_attention)
    AttentionMaskInterface.register(NAME, sdpa_mask)
    model.set_attn_implementation(NAME)
    if model.device.type == "cpu" and _onednn_pays():
        for module in model.modules():
            if type(module) is torch.nn.Linear and module.weight.dtype == torch.float32:
                module.__class__ = OneDnnLinear


def _onednn_pays() -> bool:
    processor = torch.cpu.get_capabilities()
    wide = bool(processor.get("avx512_f")) and "Intel" not in str(processor.get("cpu_name"))
    return wide and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
