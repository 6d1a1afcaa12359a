"""Translates HTTP and the command line to an operation or a query and back; computes nothing."""
