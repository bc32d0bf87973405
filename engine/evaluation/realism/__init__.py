"""How far refined images still are from real ones: two-sample tests."""
