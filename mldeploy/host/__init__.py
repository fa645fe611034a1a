"""One machine: reach it, read its facts, prepare it, run commands on it."""
