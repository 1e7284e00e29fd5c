"""Handcrafted encoders: numpy alone, no weights, no network."""
