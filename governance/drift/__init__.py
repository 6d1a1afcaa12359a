"""Have the inputs or the answers of a version in use moved away from what it was released on?

`sketches`      the reference as cells (quantile bins or frequent values) and what falls into them: integer counts only
`measures`      how far two rows of counts lie apart: PSI, Kolmogorov-Smirnov, chi-squared, Wasserstein-1
`judging`       when a feature has drifted, and how severely
`report`        what is said about every feature and about the version as a whole
`observations`  what callers send of live traffic, turned into counts before anything is stored
"""
