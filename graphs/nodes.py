"""The steps of the machine, in the order in which an answer meets them.

    read -> [look_ahead] -> decide -> generate -> estimate -> [look_ahead] -> decide -> ... -> finish | abstain
                                   -> revise   -> estimate -> [look_ahead] -> compare -> decide
                                   -> consult  -> decide

A node takes the state and returns what changes in it, and tells what happened through ``emit``. Nothing here knows
LangGraph.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from estimator.answers import final_answer
from estimator.types import Answer, Segment
from graphs.consultation import hear, held_against, steps_of
from graphs.events import (
    DecisionEvent,
    Emit,
    LookaheadEvent,
    OpinionsEvent,
    Purpose,
    QuestionEvent,
    RevisionEvent,
    Score,
    ScoreEvent,
    SegmentEvent,
)
from graphs.instruments import Instruments
from graphs.outcome import branch_record, conclude
from graphs.policy import decide
from graphs.state import (
    DecisionState,
    RejectedState,
    State,
    StepState,
    Update,
    answer_ids,
    answer_of,
    branch_of,
    branch_state,
    counted,
    finished,
    in_force,
    last_index,
    score_state,
    segment_of,
    segment_state,
    spent,
    standing_of,
    with_last_step,
)


@dataclass(frozen=True, slots=True)
class Nodes:
    """The nodes as methods, with the live objects that they use."""

    use: Instruments
    emit: Emit

    def step(self, name: str, state: State) -> Update:
        """Do the node of that name, and count its time: of a run that rests between two steps, or goes on elsewhere, only the
        steps' own seconds mean anything."""
        began = self.use.clock()
        update: Update = getattr(self, name)(state)
        before = update.get("elapsed", state.get("elapsed", 0.0))  # a checkpoint of an earlier version has none
        return {**update, "elapsed": before + self.use.clock() - began}

    def read(self, state: State) -> Update:
        """Prompt the question and score it: what is the chance before anything is written?"""
        meter, question = self.use.meter(), state.get("question")
        if not isinstance(question, str) or not question.strip():
            raise ValueError('a run starts from {"question": text}, and the text is not empty')
        prompt_ids = self.use.engine.prompt_ids(question)
        bare = Answer(prompt_ids)
        self.use.begin(bare)
        score = score_state(meter.score([bare])[0])
        cost = {"scored_tokens": meter.scored_tokens, "seconds": meter.seconds}
        self.emit(QuestionEvent(prompt_tokens=len(prompt_ids), score=Score(**score), **cost))
        return {
            "prompt_ids": [int(i) for i in prompt_ids],
            "steps": [StepState(segment=None, text="", score=score, adjusted=None, decision=None)],
            "branch": None,
            "rejected": None,
            "revisions": 0,
            "consulted": False,
            "tokens": {"answer": 0, "revised": 0, "lookahead": 0, "scoring": meter.scored_tokens},
            "seconds": {"generate": 0.0, "score": meter.seconds},
            "elapsed": 0.0,
            "decision": None,
            "result": None,
        }

    def generate(self, state: State) -> Update:
        """Extend the answer to the next position: by the best look-ahead branch if there is one, else by a new
        sample."""
        branch = state["branch"]
        if branch is not None:
            return self._write(state, segment_of(branch["segment"]), "answer", seconds=0.0, reused=True)
        answer = answer_of(state)
        segment, seconds = self.use.sample(answer, self._room(state, answer), first_index=0)
        return self._write(state, segment, "answer", seconds=seconds)

    def estimate(self, state: State) -> Update:
        """Score the answer so far. A look-ahead branch has been scored already."""
        branch, meter, answer = state["branch"], self.use.meter(), answer_of(state)
        score = score_state(meter.score([answer])[0]) if branch is None else branch["score"]
        cost = {"scored_tokens": meter.scored_tokens, "seconds": meter.seconds}
        self.emit(ScoreEvent(index=last_index(state), score=Score(**score), **cost))
        counters = counted(state, scoring=meter.scored_tokens, score=meter.seconds)
        return {"steps": with_last_step(state, score=score), **counters}

    def look_ahead(self, state: State) -> Update:
        """Sample and score what could come next, as far as the last look-ahead has not seen it, and fold it back into the
        confidence here (paper, equation 3)."""
        alpha, meter, answer = self.use.policy.alpha, self.use.meter(), answer_of(state)
        known = [] if state["branch"] is None else branch_of(state["branch"]).children
        tree, seconds = self.use.look_ahead(answer, self._room(state, answer), meter, known)
        if not tree.branches:  # the answer is complete, or the room too small: the score stays what it is
            return {"branch": None}
        adjusted, best = tree.adjusted(in_force(state["steps"][-1]), alpha), tree.best(alpha)
        self.emit(
            LookaheadEvent(
                index=last_index(state),
                branches=[branch_record(b, self.use.engine, alpha) for b in tree.branches],
                adjusted=adjusted,
                tokens=tree.tokens,
                scored_tokens=meter.scored_tokens,
                seconds=seconds,
            )
        )
        sampling = {"lookahead": tree.tokens, "generate": seconds - meter.seconds}
        return {
            "steps": with_last_step(state, adjusted=adjusted),
            "branch": branch_state(best),
            **counted(state, scoring=meter.scored_tokens, score=meter.seconds, **sampling),
        }

    def compare(self, state: State) -> Update:
        """After a revision: the old and the new branch by their confidence at the same place; the better one stays.

        With the old one its later segments come back too. Of equal ones the old stays: nothing was gained.
        """
        old, new = state["rejected"], state["steps"][-1]
        assert old is not None, "only a revision leads here"
        old_score, new_score = in_force(old["steps"][0]), in_force(new)
        keep_new = new_score > old_score
        self.emit(
            RevisionEvent(
                cut=old["cut"],
                kept="new" if keep_new else "old",
                rejected=[s["text"] for s in (old["steps"] if keep_new else [new])],
                rejected_score=min(old_score, new_score),
                kept_score=max(old_score, new_score),
            )
        )
        if keep_new:
            return {"rejected": None}
        return {"rejected": None, "branch": old["branch"], "steps": [*state["steps"][:-1], *old["steps"]]}

    def decide(self, state: State) -> Update:
        """Ask the policy what to do next."""
        stated = not finished(state) or self._final_answer(state) is not None
        standing = standing_of(state, stated=stated, full=self.use.context_room(answer_of(state)) < 1)
        decision = decide(standing, self.use.policy)
        action = decision.action.value
        facts = {**asdict(standing), "scores": list(standing.scores)}
        self.emit(DecisionEvent(index=last_index(state), action=action, reason=decision.reason, cut=decision.cut, **facts))
        chosen = DecisionState(action=action, reason=decision.reason, cut=decision.cut, budget_spent=decision.budget_spent)
        return {"steps": with_last_step(state, decision=action), "decision": chosen}

    def revise(self, state: State) -> Update:
        """Cut before the worst step, remember what is cut off, and write one new segment there."""
        assert state["decision"] is not None and state["decision"]["cut"] is not None, "a decision to revise says where"
        cut = state["decision"]["cut"]
        # Sample 0 and the look-ahead's samples at this place are taken, and so are those of earlier revisions.
        first_index = max(1, self.use.policy.width) + state["revisions"]
        answer = answer_of(state).upto(cut)
        segment, seconds = self.use.sample(answer, self._room(state, answer), first_index)
        kept, cut_off = state["steps"][: cut + 1], state["steps"][cut + 1 :]
        cut_state: State = {**state, "steps": kept, "revisions": state["revisions"] + 1}
        return {
            **self._write(cut_state, segment, "revision", seconds=seconds),
            "branch": None,
            "rejected": RejectedState(cut=cut, steps=cut_off, branch=state["branch"]),
            "revisions": cut_state["revisions"],
        }

    def consult(self, state: State) -> Update:
        """Hold the complete answer against fresh ones, and go on with whichever is surest then."""
        use, meter, said = self.use, self.use.meter(), self._final_answer(state)
        assert said is not None, "nobody is asked about an answer that states nothing"
        fresh, seconds = use.fresh_answers(answer_of(state).upto(0), use.policy.budget - spent(state))
        heard = held_against(said, in_force(state["steps"][-1]), hear(fresh, use.engine, meter), use.scorer)
        taken = [] if heard.taken is None else steps_of(heard.taken, use.engine, meter)
        self.emit(
            OpinionsEvent(
                index=last_index(state),
                others=heard.records(),
                weighed=heard.weighed[0],
                kept=heard.kept,
                tokens=heard.num_tokens,
                scored_tokens=meter.scored_tokens,
                seconds=seconds + meter.seconds,
            )
        )
        for index, step in enumerate(taken):
            self._tell(index, step, "opinion", seconds=0.0, reused=True)
            assert step["score"] is not None, "a fresh answer is scored where it ends each paragraph"
            self.emit(ScoreEvent(index=index, score=Score(**step["score"]), scored_tokens=0, seconds=0.0))
        after: State = {**state, "steps": [state["steps"][0], *taken]} if taken else state
        return {
            "steps": with_last_step(after, adjusted=heard.weighed[heard.kept]),
            "branch": None,
            "consulted": True,
            **counted(state, lookahead=heard.num_tokens, scoring=meter.scored_tokens, generate=seconds, score=meter.seconds),
        }

    def finish(self, state: State) -> Update:
        """Give the answer out."""
        return self._conclude(state, self._final_answer(state))

    def abstain(self, state: State) -> Update:
        """Give no answer out, and say why: not trusted, or the budget is spent."""
        return self._conclude(state, None)

    def _conclude(self, state: State, answer: str | None) -> Update:
        result = conclude(state, answer)
        self.emit(result)
        return {"result": result.model_dump(mode="json")}

    def _final_answer(self, state: State) -> str | None:
        return final_answer(self.use.engine.decode(answer_ids(state)))

    def _room(self, state: State, answer: Answer) -> int:
        return min(self.use.policy.budget - spent(state), self.use.context_room(answer))

    def _write(self, state: State, segment: Segment, purpose: Purpose, *, seconds: float, reused: bool = False) -> Update:
        """Append a segment to the answer."""
        step = StepState(
            segment=segment_state(segment),
            text=self.use.engine.decode(segment.token_ids),
            score=None,
            adjusted=None,
            decision=None,
        )
        attempt = state["revisions"] if purpose == "revision" else 0
        self._tell(len(state["steps"]) - 1, step, purpose, attempt=attempt, reused=reused, seconds=seconds)
        count = 0 if reused else len(segment.token_ids)  # a look-ahead branch was counted when it was sampled
        counters = counted(state, **{"answer" if purpose == "answer" else "revised": count}, generate=seconds)
        return {"steps": [*state["steps"], step], **counters}

    def _tell(
        self, index: int, step: StepState, purpose: Purpose, *, attempt: int = 0, reused: bool = False, seconds: float
    ) -> None:
        assert step["segment"] is not None, "only a segment is written"
        told = {"index": index, "text": step["text"], "purpose": purpose, "attempt": attempt, "reused": reused}
        self.emit(SegmentEvent.model_validate({**step["segment"], **told, "seconds": seconds}))
