"""Trains hybrid networks: a binarized edge part with an early exit, a full-precision cloud part."""
