"""What FineCE is compared with: one file a method, each as its authors published it (``source`` says which variant)."""

from __future__ import annotations

from collections.abc import Sequence

from estimator.baselines.base import Baseline
from estimator.baselines.deepconf import REDUCTIONS, DeepConf
from estimator.baselines.deepconf_vote import DeepConfVote
from estimator.baselines.first_prob import FirstProb
from estimator.baselines.leco import Leco
from estimator.baselines.mean_logprob import MeanLogprob
from estimator.baselines.multi_step import MultiStep, StepStatements
from estimator.baselines.p_ik import PIK
from estimator.baselines.p_true import PTrue
from estimator.baselines.pool import SamplePool
from estimator.baselines.readings import TokenReader
from estimator.baselines.self_consistency import SelfConsistency
from estimator.baselines.semantic_entropy import SemanticEntropy
from estimator.baselines.stated import Stating
from estimator.baselines.suc import SuC
from estimator.baselines.verb import Verb
from estimator.engines.base import Engine


def baselines(
    engine: Engine,
    pool: SamplePool,
    stating: Stating | None = None,
    *,
    consistency: Sequence[int] = (),
    window: int = 16,
    clusters: int = 20,
    seed: int = 0,
) -> list[Baseline]:
    """All methods in the order of the tables. ``stating`` is who states confidences (the engine itself, asked in words, by
    default); ``consistency`` are further k of self-consistency, up to the pool's. A method whose engine lacks what it needs
    raises EngineError when it is used, and is then not available there."""
    reader, statements = TokenReader(engine), StepStatements(stating or Stating(engine))
    ks = sorted({*consistency, pool.k})
    return [
        PIK(engine),
        FirstProb(engine),
        SuC(engine, clusters, seed),
        Verb(statements.stating),
        SemanticEntropy(pool),
        SemanticEntropy(pool, discrete=True),
        MultiStep(statements),
        MultiStep(statements, mean=True),
        Leco(reader),
        Leco(reader, mean=True),
        PTrue(engine, pool, seed=seed),
        *(SelfConsistency(pool, k) for k in ks),
        *(SelfConsistency(pool, k, own=True) for k in ks),
        *(DeepConf(reader, reduction, window) for reduction in REDUCTIONS),
        DeepConfVote(reader, pool),
        MeanLogprob(),
    ]
