"""Sketches of a reference, made from a dataset and the predictions of an evaluation in a confined process."""
