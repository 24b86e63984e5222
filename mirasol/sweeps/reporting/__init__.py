"""Tables, plots and a page of what the trials of a sweep came to."""
