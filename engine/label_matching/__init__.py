"""Label matching: synthetic images drawn so that their labels are spread as the real ones are."""
