"""Corpora: the clips of a source layout, the official lists, the ground truth.

A source layout is one file of this package, found by its name (`layouts`). Nothing is imported
here, so that a stage which reads a list does not depend on the readers of media folders.
"""
