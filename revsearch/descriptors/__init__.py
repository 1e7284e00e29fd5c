"""Descriptors: handcrafted encoders, numpy only: no weights, no network."""
