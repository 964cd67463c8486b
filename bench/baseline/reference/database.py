"""Sessions: one that writes in a transaction, one that reads without a round trip for it."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from .settings import settings

engine = create_async_engine(
    settings().database_url, pool_size=settings().max_connections, max_overflow=0
)
# The same pool; BEGIN and ROLLBACK around a single SELECT would double the round trips.
reading = async_sessionmaker(
    engine.execution_options(isolation_level="AUTOCOMMIT"), expire_on_commit=False
)
writing = async_sessionmaker(engine, expire_on_commit=False)


async def reading_sessions() -> async_sessionmaker[AsyncSession]:
    """For those who may not need one: to make a session and close it costs more than a look-up."""
    return reading


async def reading_session() -> AsyncIterator[AsyncSession]:
    async with reading() as session:
        yield session


async def writing_session() -> AsyncIterator[AsyncSession]:
    async with writing() as session:
        yield session


ReadingSessions = Annotated[async_sessionmaker[AsyncSession], Depends(reading_sessions)]
Reading = Annotated[AsyncSession, Depends(reading_session)]
Writing = Annotated[AsyncSession, Depends(writing_session)]
