"""Who is calling: a token is verified once and remembered by its hash until it expires."""

import hashlib
import time
from dataclasses import dataclass
from typing import Annotated

import jwt
from cachetools import TLRUCache
from fastapi import Depends, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from .settings import settings

ROLES = ("viewer", "editor", "admin")


@dataclass(frozen=True, slots=True)
class Identity:
    subject: str
    role: str
    expires: float


keys = jwt.PyJWKClient(settings().jwks_url)
remembered: TLRUCache[bytes, Identity] = TLRUCache(
    maxsize=10_000, ttu=lambda _key, identity, _now: identity.expires, timer=time.time
)
bearer = HTTPBearer(auto_error=False)


def verify(token: str) -> Identity:
    claims = jwt.decode(
        token,
        keys.get_signing_key_from_jwt(token),
        algorithms=["ES256"],
        audience=settings().audience,
        issuer=settings().issuer,
        options={"require": ["exp", "iss", "aud", "sub"]},
    )
    return Identity(claims["sub"], claims.get(settings().role_claim, ""), claims["exp"])


async def caller(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> Identity:
    if credentials is None:
        raise HTTPException(401, "A bearer token is needed", {"WWW-Authenticate": "Bearer"})
    token = credentials.credentials
    fingerprint = hashlib.sha256(token.encode()).digest()
    identity = remembered.get(fingerprint)
    if identity is None:
        try:
            identity = verify(token)
        except jwt.PyJWTError as error:
            headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            raise HTTPException(401, "The token is not valid", headers) from error
        remembered[fingerprint] = identity
    return identity


class Role:
    """A dependency: the caller, who must have at least this role."""

    def __init__(self, least: str) -> None:
        self.allowed = ROLES[ROLES.index(least) :]

    async def __call__(self, identity: Annotated[Identity, Depends(caller)]) -> Identity:
        if identity.role not in self.allowed:
            raise HTTPException(403, "You may not do this")
        return identity


Viewer = Annotated[Identity, Depends(Role("viewer"))]
Editor = Annotated[Identity, Depends(Role("editor"))]
