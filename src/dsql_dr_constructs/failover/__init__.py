"""Route 53 health checks that send users to the Region that serves."""
