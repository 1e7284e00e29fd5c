"""Reverse image search as distributed batch jobs on Ray."""
