"""A small cluster at real work: what `pulsing demo` runs, and what a first look at the dashboard shows."""
