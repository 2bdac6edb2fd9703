"""gRPC transport: the completion-queue fast path, the ordinary grpcio servicers and the calls of both."""
