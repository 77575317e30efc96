"""Logs in once, by the mechanism and with the password that the test names, and prints what came of it.

    login.py implicit|starttls MECHANISM [-IR]
"""

import base64
import hashlib
import hmac
import json
import os
import secrets
import socket
import sys

import account


class Wire:
    """Lines there and back."""

    def __init__(self, way):
        port = int(os.environ["IMAPS_PORT" if way == "implicit" else "IMAP_PORT"])
        self.socket = socket.create_connection(("localhost", port), timeout=30)
        if way == "starttls":
            self.file = self.socket.makefile("rb")
            assert self.line().startswith("* OK")
            assert self.run("s STARTTLS").startswith("s OK")
        self.socket = account.context().wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        if way == "implicit":
            assert self.line().startswith("* OK")

    def line(self):
        line = self.file.readline()
        assert line.endswith(b"\r\n"), line
        return line[:-2].decode()

    def say(self, text):
        self.socket.sendall(text.encode() + b"\r\n")

    def run(self, command):
        """The first line that is tagged, or that wants more."""
        self.say(command)
        while True:
            line = self.line()
            if not line.startswith("* "):
                return line


def encode(octets):
    return base64.b64encode(octets).decode() or "="


def first(user, password, mechanism):
    """What a client says first, where one message is all."""
    if mechanism == "PLAIN":
        return f"\0{user}\0{password}".encode()
    token = jwt(os.environ.get("TOKEN_OF", user), password)
    if mechanism == "XOAUTH2":
        return f"user={user}\x01auth=Bearer {token}\x01\x01".encode()
    return f"n,a={user},\x01host=localhost\x01port=143\x01auth=Bearer {token}\x01\x01".encode()


def jwt(user, key):
    """A token that Dovecot can check by itself."""
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")
    text = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({"sub": user, "iat": 1700000000, "exp": 4100000000, "jti": "canary"})
    signature = hmac.new(key.encode(), text, "sha256").digest()
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def one_message(wire, user, password, mechanism, ir):
    message = encode(first(user, password, mechanism))
    if ir:
        answer = wire.run(f"a AUTHENTICATE {mechanism} {message}")
    else:
        wanted = wire.run(f"a AUTHENTICATE {mechanism}")
        assert wanted.startswith("+"), wanted
        answer = wire.run(message)
    # Why a token was refused comes as a challenge, which the client acknowledges.
    return wire.run("AQ==") if answer.startswith("+") else answer


def login_mechanism(wire, user, password):
    for said in [None, user, password]:
        answer = wire.run("a AUTHENTICATE LOGIN" if said is None else encode(said.encode()))
        if not answer.startswith("+"):
            return answer
    return answer


def scram(wire, user, password, mechanism, ir):
    """RFC 5802, with the server's signature checked."""
    name = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256"}[mechanism]
    bare = f"n={user},r={secrets.token_hex(12)}"
    message = encode(f"n,,{bare}".encode())
    if ir:
        answer = wire.run(f"a AUTHENTICATE {mechanism} {message}")
    else:
        wanted = wire.run(f"a AUTHENTICATE {mechanism}")
        assert wanted.startswith("+"), wanted
        answer = wire.run(message)
    if not answer.startswith("+ "):
        return answer
    server = base64.b64decode(answer[2:]).decode()
    said = dict(part.split("=", 1) for part in server.split(","))
    salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(said["s"]), int(said["i"]))
    keyed = lambda key, text: hmac.new(key, text, name).digest()
    client_key = keyed(salted, b"Client Key")
    without_proof = f"c=biws,r={said['r']}"
    text = f"{bare},{server},{without_proof}".encode()
    signature = keyed(hashlib.new(name, client_key).digest(), text)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    answer = wire.run(encode(f"{without_proof},p={encode(proof)}".encode()))
    if answer.startswith("+ "):
        final = base64.b64decode(answer[2:]).decode()
        assert final == "v=" + encode(keyed(keyed(salted, b"Server Key"), text)), final
        answer = wire.run("")
    return answer


def login(wire, user, password, form):
    if form == "LOGIN-atom":
        return wire.run(f"a LOGIN {user} {password}")
    if form == "LOGIN-quoted":
        return wire.run(f'a LOGIN "{user}" "{password}"')
    if form == "LOGIN-literal+":
        return wire.run(f"a LOGIN {{{len(user)}+}}\r\n{user} {{{len(password)}+}}\r\n{password}")
    assert wire.run(f"a LOGIN {{{len(user)}}}").startswith("+")
    wanted = wire.run(f"{user} {{{len(password)}}}")
    return wire.run(password) if wanted.startswith("+") else wanted


def main(way, mechanism, ir=None):
    user, password = os.environ["USER"], os.environ["PASSWORD"]
    wire = Wire(way)
    if mechanism.startswith("LOGIN-"):
        answer = login(wire, user, password, mechanism)
    elif mechanism == "LOGIN":
        answer = login_mechanism(wire, user, password)
    elif mechanism.startswith("SCRAM"):
        answer = scram(wire, user, password, mechanism, ir)
    else:
        answer = one_message(wire, user, password, mechanism, ir)
    assert answer.startswith("a "), answer
    print(" ".join(answer.split()[:2]))
    after = wire.run("b STATUS INBOX (MESSAGES)")
    print(" ".join(after.split()[:2]))
    assert wire.run("c LOGOUT").startswith("c OK")


main(*sys.argv[1:])
