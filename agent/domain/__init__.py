"""The rules: pure, synchronous, without I/O and without a clock. Till and cloud run this same code."""
