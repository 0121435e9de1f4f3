"""Scoring a bundle on frames that it has not seen, with intervals and pictures."""
