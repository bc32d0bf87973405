"""The local page of the visual Turing test: a server for this machine only, and what it serves."""
