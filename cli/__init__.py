"""The command line: words in, words out. No tensor arithmetic, no torch at import."""
