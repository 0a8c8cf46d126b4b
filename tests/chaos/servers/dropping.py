"""Proves in a process of its own that packets vanish and that the connection outlives it. Prints what it saw.

python dropping.py       with tests/chaos on the path
"""

from __future__ import annotations

import socket

from chaos_kit.packets import own_network


def main() -> None:
    """Talks over a connection before, while and after its packets are dropped."""
    packets = own_network()
    if packets is None:
        print("not allowed")
        return
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as here, server.accept()[0] as there:
            there.settimeout(0.5)
            here.sendall(b"before")
            print(there.recv(64).decode())
            packets.drop(port)
            here.sendall(b"meanwhile")
            try:
                print(there.recv(64).decode())
            except TimeoutError:
                print("nothing")
            packets.pass_again()
            there.settimeout(10)
            print(there.recv(64).decode())
    print("dropped" if packets.dropped else "none dropped")


if __name__ == "__main__":
    main()
