"""Recovery points of a pair in both Regions, and what makes them."""
