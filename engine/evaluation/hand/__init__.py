"""Hands as a task of `evaluate`: depth images in, 14 joints out, errors in px of 224x224."""
