"""The users of the shop, with salted password hashes."""

import hashlib

SALT = b"shop"


def digest(password: str) -> str:
    return hashlib.sha256(SALT + password.encode()).hexdigest()


USERS = {"ada": digest("lovelace"), "grace": digest("hopper")}
