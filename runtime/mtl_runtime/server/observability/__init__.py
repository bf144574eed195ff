"""What a server tells about itself: metrics for Prometheus and structured logs, never the texts of clients."""
