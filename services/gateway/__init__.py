"""Answers questions from the documents: searches, asks the model, degrades without it."""
