"""Model repositories for other servers, written from committed versions."""
