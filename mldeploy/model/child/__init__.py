"""Runs in the model's own Python, as a child process: loads the file, answers rows, converts.

It shares no code with the rest of mldeploy and needs numpy, joblib and onnx alone (and skl2onnx for that
rung), on Python 3.9 or later, so that it works in whatever environment the model was saved from.
"""
