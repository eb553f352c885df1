"""``controller score``: how sure is the model of an answer that you already have, paragraph by paragraph?"""

from __future__ import annotations

from typing import Annotated

import typer

from controller.commands import options
from controller.errors import reported

EXAMPLE = (
    'Example:\n\ncontroller score "Tom has 3 pens and buys 4 more. How many pens does he have now?" '
    '--partial --answer "Tom has 3 + 4 = 7 pens in all."'
)


def command(
    question: Annotated[str, typer.Argument(help="The question, or - to read it from stdin.")],
    answer: Annotated[str, typer.Option(metavar="TEXT|-|@FILE", help="The answer; paragraphs end at blank lines.")],
    partial: Annotated[bool, typer.Option("--partial", help="The answer is not finished: read it up to here.")] = False,
    json: options.Json = False,
    model: options.Model = None,
    estimator: options.Estimator = None,
    engine: options.Engine = None,
    base_url: options.BaseUrl = None,
    config: options.Config = None,
) -> None:
    """Read the confidence in a given answer, paragraph by paragraph: the chance that this model ends it with the right result.

    Without --partial the text counts as finished, and one that states no result is wrong.
    What this model would never write itself scores low, right or not.
    """
    with reported():
        _score(
            question,
            answer,
            partial,
            json,
            {"model": model, "estimator": estimator, "engine": engine, "base_url": base_url},
            config,
        )


def _score(question: str, answer: str, partial: bool, json: bool, flags: dict, config) -> None:
    from controller import questions, screen
    from controller.assemble import plan
    from controller.errors import UsageError
    from controller.scoring import score_answer

    if question == answer == questions.STDIN:
        raise UsageError("the question and the answer cannot both come from stdin")
    asked, given = questions.question_from(question), questions.answer_from(answer)
    if doubt := _misread(given, partial):
        screen.warn(doubt)
    run = plan(config, flags).load()
    with screen.waiting("reading"):
        scored = score_answer(run.loaded, asked, given, finished=not partial)
    if json:
        screen.print_json(scored.report(run.loaded))
        return
    from controller import render
    from controller.theme import Levels, symbols_for

    console = screen.output()
    look = render.Look(console.width, symbols_for(console), Levels.of(run.policy.model_dump()))
    console.print(render.scored_answer(asked, scored.paragraphs, scored.question_confidence, look))


def _misread(answer: str, partial: bool) -> str:
    """What is worth a look where finished and partial may have been mixed up: the two are read quite differently."""
    from estimator.answers import final_answer

    states = final_answer(answer) is not None
    if states and partial:
        return "the answer states a result, and is read as if more were to follow: leave out --partial if it is finished"
    if not states and not partial:
        return "the answer states no result, so as a finished one it is wrong: --partial reads it up to here"
    return ""
