"""Stages: one spec turned into one committed artifact, by Ray (which is imported here alone)."""
