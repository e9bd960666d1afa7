# SPDX-License-Identifier: Apache-2.0
"""What benches of the service share."""

import socket
import time
import urllib.request


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def wait_for(address):
    while True:
        try:
            urllib.request.urlopen(f"{address}/healthz")
            return
        except OSError:
            time.sleep(0.1)
