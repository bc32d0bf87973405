"""Whether labels are still true after refining: what moved in an image, measured in several ways."""
