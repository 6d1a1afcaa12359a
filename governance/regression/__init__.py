"""Has a model become worse than the baseline that was pinned when it was promoted?

measurements  what is handed in for one model and night, and the judgement that comes back.
night         all models of a night at once: `judge_night`.
arrays        the same over plain arrays; `night` only packs and unpacks.
detector      the memory from night to night that finds slow drift.
series        latency, cost and other series without pairs.
report        what a model's nights come to.
"""
