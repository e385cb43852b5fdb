"""Getting the clips: from where they are published, and out of archives; outside DVC's stages,
since a copy that is gone tomorrow can be no output of one.

It writes what `pipeline.corpora.vggsound` reads, never a clip twice, and keeps a table of what
could not be had and why.
"""
