"""The account that a script works on; the test says which in the environment."""

import os
import ssl

from imapclient import IMAPClient


def context():
    return ssl.create_default_context(cafile=os.environ["CA"])


def connect():
    """TLS from the first octet."""
    return IMAPClient("localhost", port=int(os.environ["IMAPS_PORT"]), ssl_context=context(), timeout=30)


def login():
    client = connect()
    client.login(os.environ["USER"], os.environ["PASSWORD"])
    return client
