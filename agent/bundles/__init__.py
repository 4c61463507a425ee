"""Bundles: brought by the line or carried here, put in force whole or not at all."""
