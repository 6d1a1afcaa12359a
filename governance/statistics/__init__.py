"""Statistics that a gate may stand on: pure functions of counts and arrays, no clock and no randomness."""
