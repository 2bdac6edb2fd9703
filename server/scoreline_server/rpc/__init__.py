"""RPC handlers and the pipeline in front of them: admission, authorisation, error mapping."""
