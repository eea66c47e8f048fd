"""A stand-in for a language model, with the OpenAI wire form."""
