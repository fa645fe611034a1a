"""Open-loop load: latency counts from when a request was due, so that a stalling server is not flattered.

Nothing is imported here: the generator's process must patch the standard library before anything else is.
"""
