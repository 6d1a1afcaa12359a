"""What is measured of models that serve: timings, successes, errors, and what they say about health.

windows.py      minutes, hours and days that measurements are kept by
sketch.py       percentiles that can be merged (DDSketch)
error_types.py  from an error's message to one of few words
points.py       reports of inferences, checked and added up
health.py       healthy, degraded, unhealthy or unknown, by stated rules
"""
