"""Events from Kafka: messages as events, the consumer, and letters that are dead."""
