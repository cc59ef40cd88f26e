"""The HTTP server of a process: uvicorn, with bounds on what a connection may send, take and hold."""
