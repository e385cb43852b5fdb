"""What `avloc bench` measures: each stage beside the way it is usually done, one file a part.

A part is a function `measure(folder, setup)` that yields rows; every row holds ours and the
alternative, measured in turns within one run, because a ratio survives a noisy machine where a time
does not. Inputs are made, at the sizes of the paper times `size`, so that anyone can repeat a row;
the price is that made pictures are not real ones, and where that matters (`decode`, `load`) a real
file can be given.
"""
