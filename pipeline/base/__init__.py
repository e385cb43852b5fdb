"""The on-disk form of everything, resumable pieces of work, params.yaml as typed values."""
