"""A real server on the loopback interface, in a thread, and keys to it."""

import threading
import time
from contextlib import contextmanager

from ragbot.server.app import create_app
from ragbot.server.config import ServerConfig
from ragbot.server.keys import Keyring
from ragbot.server.listening import listen
from ragbot.server.run import server_of

ALL = ("read", "tell", "write", "admin")


class Served:
    """What a test needs of a running server."""

    def __init__(self, memory, gate, url):
        self.memory, self.gate, self.url = memory, gate, url

    def key(self, name, *roles, scopes=(), **more):
        """A new key, as its holder has it."""
        return Keyring(self.memory.store, self.gate.parts.config.groups).add(
            name, scopes=scopes, roles=roles or ("read", "tell"), **more
        )[1]

    def headers(self, name, *roles, scopes=()):
        return {"Authorization": f"Bearer {self.key(name, *roles, scopes=scopes)}"}


@contextmanager
def served(memory, *, keys=True, **config):
    """Serve a memory for the time of a block."""
    config = ServerConfig(port=0, **config)
    listening = listen(config)
    gate = create_app(memory, config, keys=keys)
    server = server_of(gate, config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Served(memory, gate, f"http://127.0.0.1:{listening.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
