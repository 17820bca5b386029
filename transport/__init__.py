"""How the world talks to the engine: the listener, WebSocket, event streams, REST and the dialect codecs."""
