"""Any corpus to shards of frames and spectrograms."""
