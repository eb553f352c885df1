"""The data card that lies beside labels, as ``README.md``: what hub and ``datasets.load_dataset`` read, and people too."""

from __future__ import annotations

from typing import Any

from training.label_report import counted
from training.labels import DATA, HELD_OUT, TRAIN

COLUMNS = """| column | meaning |
|---|---|
| `question_id`, `kind`, `question` | the question, the family it belongs to, its text |
| `source` | `monte_carlo`: a chain of partial answers, k samples a point; `sampled`: an answer whose outcome \
labels all its prefixes; `complete`: a complete answer, labelled at its end |
| `split` | by a hash of the question's text: no question is in both |
| `token_ids`, `num_prompt_tokens` | prompt and answer so far; how many of the tokens are the prompt |
| `text` | the answer so far, as text |
| `points` | the text's labels: `length`, `correct`, `k`: of k completions of the first `length` tokens, `correct` were right |
"""


def data_card(report: dict[str, Any]) -> str:
    """The card of the data that ``report`` (see ``training.label_report``) is about."""
    settings, samples = report["settings"], report["samples"]
    files = [f"  - split: {split}\n    path: {DATA}/{split}.parquet" for split in (TRAIN, HELD_OUT) if report["texts"][split]]
    kinds = [
        f"| {kind} | {f['points']} | {f['mean']:.3f} | {100 * f['zero']:.1f} % | {100 * f['one']:.1f} % |"
        for kind, f in report["kinds"].items()
    ]
    return "\n".join(
        [
            "---\nconfigs:\n- config_name: default\n  data_files:",
            *(files or [f"  - split: {TRAIN}\n    path: {DATA}/{TRAIN}.parquet"]),
            "tags:\n- confidence-estimation\n---\n",
            "# Success counts of a language model's answers in progress\n",
            f"How often the model `{report['model']}` finished a text with the correct answer, counted on its own samples"
            + (" (FineCE, Algorithm 1)." if settings["k"] else "."),
            "They hold for this model, prompt form and temperature, and for no other.\n",
            COLUMNS,
            f"- {report['questions']} questions ({report['questions_hash']}), {sum(report['texts'].values())} texts, "
            f"{report['points']} labels, data {report['data_hash']}",
            f"- {samples['drawn']} samples drawn (the most allowed is {samples['bound']}), {samples['right']} right, "
            f"{samples['unfinished']} unfinished (counted as wrong)",
            f"- settings: {', '.join(f'{name} {value}' for name, value in settings.items())}",
            f"- hashes: {', '.join(f'{name} {value}' for name, value in report['hashes'].items())}",
            f"- versions: {', '.join(f'{name} {value}' for name, value in report['versions'].items())}\n",
            f"| kind | {counted(report)} | mean label | all wrong | all right |\n|---|---|---|---|---|",
            *kinds,
            *(f"\nWarning: {warning}." for warning in report["warnings"]),
            "",
        ]
    )
