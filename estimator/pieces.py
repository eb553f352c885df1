"""What each token adds to a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from itertools import accumulate, groupby

from estimator.types import Tokens

SEGMENTS = 1024
_INCOMPLETE = "\ufffd"  # what stands for a character of which a token holds some bytes alone


class Pieces:
    """The pieces of text that tokens add, one a token; joined they are what ``decode`` makes of all of them. A character that
    several tokens make is added by the last of them. Each vocabulary entry is decoded once, as long as entries mean the
    same wherever they stand; the last ``SEGMENTS`` token sequences are kept, since an answer is read again after each of its
    segments."""

    def __init__(self, decode: Callable[[Sequence[int]], str]) -> None:
        self.text = decode
        self._kept = lru_cache(SEGMENTS)(self._found)
        self._alone = cache(lambda i: decode((i,)))
        self._anchor: int | None = None
        self._behind = cache(lambda anchor, i: decode((anchor, i))[len(decode((anchor,))) :])

    def __call__(self, token_ids: Sequence[int]) -> list[str]:
        return list(self._kept(tuple(token_ids)))

    def _found(self, token_ids: Tokens) -> list[str]:
        text = self.text(token_ids)
        alone = self._whole(token_ids, [self._alone(i) for i in token_ids])
        if "".join(alone) == text:
            return alone
        # Some tokenizers drop the space before a token that stands alone: then it is what comes behind another that counts.
        anchor = self._anchor = token_ids[0] if self._anchor is None else self._anchor
        behind = self._whole(token_ids, [self._behind(anchor, i) for i in token_ids])
        behind[0] = alone[0]
        return behind if "".join(behind) == text else self._one_by_one(token_ids, text)

    def _whole(self, token_ids: Sequence[int], pieces: list[str]) -> list[str]:
        """With the characters that several tokens make together."""
        if not any(_INCOMPLETE in p for p in pieces):
            return pieces
        whole: list[str] = []
        for incomplete, run in groupby(zip(token_ids, pieces, strict=True), key=lambda pair: _INCOMPLETE in pair[1]):
            mine = list(run)
            whole += [*[""] * (len(mine) - 1), self.text([i for i, _ in mine])] if incomplete else [p for _, p in mine]
        return whole

    def _one_by_one(self, token_ids: Sequence[int], text: str) -> list[str]:
        """By what the text has beyond that of the tokens before. While a character is incomplete there may be more of it."""
        lengths = [len(self.text(token_ids[: i + 1])) for i in range(len(token_ids))]
        ends = list(accumulate(reversed(lengths), min))[::-1]
        return [text[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
