"""The HTTP server: the OpenAI protocol, the memory's own routes, and MCP, over one memory for many people."""
