"""What tool pods take, on a real cluster."""
