"""Models of the sizes that one would use, with random weights: speed does not depend on what the weights are.

``python -m tests.benchmarks.random_models 7b --out DIR``, then ``controller serve --model DIR/7b --estimator DIR/7b-estimator``
and ``python -m tests.benchmarks.serving --model 7b --position periodic:32 --budget 256``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from estimator.loading import embedded_dir
from tests.instruct_models import write_card
from training.finetune import linear_layers

# Shapes from the models' config.json; the vocabulary is the embedded tokenizer's.
SHAPES: dict[str, dict[str, Any]] = {
    "0.5b": {
        "hidden_size": 896, "intermediate_size": 4864, "num_hidden_layers": 24, "num_attention_heads": 14,
        "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
    "1.5b": {
        "hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12,
        "num_key_value_heads": 2, "tie_word_embeddings": True,
    },
    "7b": {
        "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
        "num_key_value_heads": 4, "tie_word_embeddings": False,
    },
}  # fmt: skip
CONTEXT = 4096


def write_random(shape: str, folder: Path, *, rank: int = 32) -> tuple[Path, Path]:
    """Base (``SHAPES[shape]`` of Qwen2.5, bfloat16) and estimator (a LoRA of ``rank`` on all linear layers of its blocks) with
    random weights in ``folder``; returns the two directories, which load like real ones."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoTokenizer, Qwen2Config, Qwen2ForCausalLM

    base, adapter = folder / shape, folder / f"{shape}-estimator"
    tokenizer: Any = AutoTokenizer.from_pretrained(embedded_dir() / "base")
    tokenizer.save_pretrained(str(base))
    config = Qwen2Config(
        vocab_size=len(tokenizer), max_position_embeddings=CONTEXT, dtype=torch.bfloat16, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None, **SHAPES[shape],
    )  # fmt: skip
    torch.manual_seed(1)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model: Any = Qwen2ForCausalLM(config)
    model.to(torch.bfloat16).eval()
    model.save_pretrained(str(base))
    lora = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=linear_layers(model), init_lora_weights=False, task_type="CAUSAL_LM"
    )
    peft: Any = get_peft_model(model, lora)
    for name, parameter in peft.named_parameters():
        if "lora_" in name:
            parameter.data *= 0.01  # a trained adapter is small beside the base: sums of random ones would overflow
    peft.half().save_pretrained(str(adapter))
    write_card(base, tokenizer, adapter, seed=1)
    return base, adapter


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", choices=sorted(SHAPES))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    print(*write_random(args.shape, args.out))


if __name__ == "__main__":
    main()
