"""Autobahn's test suite against the server's WebSocket: `make autobahn`. It runs on Python 2.7, in `build/autobahn`."""
