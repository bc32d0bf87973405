"""The visual Turing test of the paper: can people tell refined images from real ones?"""
