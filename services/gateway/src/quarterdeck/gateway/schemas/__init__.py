"""The JSON of REST as models: requests are checked by them, responses are described by them."""
