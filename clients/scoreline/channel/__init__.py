"""The gRPC transport of the clients: channels, TLS, error decoding."""
