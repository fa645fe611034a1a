"""What a user would serve the same model with instead, each as its documentation says for production."""
