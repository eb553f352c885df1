"""The evidence: every method on the same questions and the same sampled answers, and what its figures are.

``run.evaluate`` composes it: ``splits`` says which questions, ``cases`` which prefixes of which sampled answers, ``methods``
what each method says there, ``tables`` the rows of the report. ``training.report`` shows those rows.
"""
