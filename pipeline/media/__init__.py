"""Containers in and out: time stamps and damage, picture, sound, playing, writing."""
