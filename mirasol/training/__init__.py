"""The trainer: a small step, a loop that reads as prose, and what happens between steps."""
