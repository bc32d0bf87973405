"""Whether labels are still true after refining: what moved in an image, measured five ways."""
