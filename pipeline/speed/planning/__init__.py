"""What a study takes before it is begun: time, disk and memory of each stage, and what is absent.

A stage is so many units of a kind of work (clips decoded, clips trained on, pairs searched). Its
time is the units times a rate, which was measured on this machine or on a named one, or is scaled
from one of them by the operations of a unit; each says which. Disk and memory are arithmetic from
shapes.
"""
