"""Formats of models: each a class that reads files, in a module of its own."""
