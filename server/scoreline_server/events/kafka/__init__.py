"""Events from Kafka: the events of messages, the consumer, and dead letters."""
