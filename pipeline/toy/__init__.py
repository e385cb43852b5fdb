"""The toy corpus: a small made world in the real sets' own file formats.

It knows nothing of the localizer: what comes out is a folder of videos, sounds and annotations.
"""
