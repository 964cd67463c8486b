"""What the service is told by its environment."""

from functools import lru_cache

from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Each is an environment variable of the same name."""

    database_url: str
    jwks_url: str
    issuer: str = "urn:metricd:development"
    audience: str = "metricd"
    role_claim: str = "metricd_role"
    max_connections: int = 10
    cache_ttl: float = 300
    cache_max_bytes: int = 256 * 1024 * 1024
    definition_ttl: float = 60


@lru_cache
def settings() -> Settings:
    return Settings()
