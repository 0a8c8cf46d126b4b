"""What several modules of the gateway's tests share."""
