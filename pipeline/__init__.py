"""avloc's library: all the knowledge, from a folder of videos to the numbers of the paper.

`stages/` holds one thin command for each DVC stage; it reads parameters, calls this package and
writes outputs. Nothing here imports from there.
"""
