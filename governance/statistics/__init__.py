"""Statistics that a gate may stand on: pure functions of counts and arrays, no clock and no randomness.

paired        is the candidate worse than the incumbent? One comparison with a margin and a conclusion.
discordance   right and wrong answers of two models on the same examples (McNemar, Tango).
losses        losses of two models on the same examples (Student).
proportions   proportions of separate samples (Wilson, Newcombe, the pooled test).
multiplicity  many tests at once (Simes, Benjamini and Hochberg, Benjamini and Yekutieli).
sensitivity   how small a difference a sample can show.
trends        the slope of a series (Theil and Sen).

All but `paired` and `trends` take arrays of any shape that broadcast together, or plain numbers.
"""
