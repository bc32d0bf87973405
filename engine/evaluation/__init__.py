"""What refinement is worth: estimators trained on labelled sets and tested on real ones."""
