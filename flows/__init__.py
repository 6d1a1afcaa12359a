"""Gather facts, judge them, settle the outcome; runs in a worker."""
