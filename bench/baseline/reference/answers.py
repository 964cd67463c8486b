"""Finished answers, kept in the process as bytes until they are too old or their records change."""

import hashlib
import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime

from cachetools import TTLCache
from sqlalchemy import Date, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import joinedload, selectinload

from .models import Metric
from .schemas import MetricAnswer, MetricBody, Params, Window
from .settings import settings

MAX_ROWS = 10_000

Sessions = async_sessionmaker[AsyncSession]
Key = tuple[uuid.UUID, int, int, date, date]


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    etag: str
    made: float

    @property
    def age(self) -> int:
        return int(time.monotonic() - self.made)


kept: TTLCache[Key, Answer] = TTLCache(
    maxsize=settings().cache_max_bytes,
    ttl=settings().cache_ttl,
    getsizeof=lambda answer: len(answer.body),
)
definitions: TTLCache[uuid.UUID, Metric] = TTLCache(
    maxsize=10_000, ttl=settings().definition_ttl
)
# How often this process has added to the records of a query: a part of each key.
additions: defaultdict[str, int] = defaultdict(int)


async def find_metric(sessions: Sessions, metric_id: uuid.UUID) -> Metric | None:
    metric = definitions.get(metric_id)
    if metric is None:
        wanted = select(Metric).where(Metric.id == metric_id)
        wanted = wanted.options(joinedload(Metric.query), selectinload(Metric.layouts))
        async with sessions() as session:
            metric = await session.scalar(wanted)
        if metric is not None:
            definitions[metric_id] = metric
    return metric


def key_of(metric: Metric, window: Window) -> Key:
    return (
        metric.id,
        metric.query.version,
        additions[metric.query_id],
        window.start_date,
        window.end_date,
    )


async def run(sessions: Sessions, metric: Metric, window: Window) -> Answer:
    days = bindparam("start_date", type_=Date), bindparam("end_date", type_=Date)
    statement = text(metric.query.sql).bindparams(*days)
    made, as_of = time.monotonic(), datetime.now(UTC)
    async with sessions() as session:
        result = await session.execute(statement, window.model_dump())
    rows = result.mappings().fetchmany(MAX_ROWS + 1)
    answer = MetricAnswer(
        **MetricBody.fields_of(metric),
        columns=metric.query.columns,
        records=[dict(row) for row in rows[:MAX_ROWS]],
        truncated=len(rows) > MAX_ROWS,
        params=Params(**window.model_dump()),
        as_of=as_of,
    )
    said = answer.model_dump_json(by_alias=True, exclude={"as_of"}).encode()
    body = said[:-1] + b',"as_of":"' + as_of.isoformat(timespec="milliseconds").encode() + b'"}'
    etag = f'W/"{hashlib.sha256(said).hexdigest()[:32]}"'
    return Answer(body, etag, made)
