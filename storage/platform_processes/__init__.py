"""Starts, stops and looks at the processes of a platform on one machine.

Everything belongs to one state directory ("home"), is found again from there, and outlives whoever started
it. Killing anything at any moment loses nothing: `starting.start_platform` completes what it finds. Callers
import from the modules, since looking and stopping need little of what starting needs.
"""
