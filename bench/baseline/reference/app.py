"""The routes."""

import time
import uuid
from datetime import UTC, datetime
from typing import Annotated

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from sqlalchemy import or_, select, text
from sqlalchemy.orm import joinedload, selectinload

from . import answers
from .auth import Editor, Viewer
from .database import Reading, ReadingSessions, Writing
from .headers import ResponseHeaders
from .models import AuditEvent, Metric, Record
from .schemas import MetricBody, MetricPage, NewRecord, Window
from .settings import settings

app = FastAPI(title="metricd's reference in Python")
app.add_middleware(ResponseHeaders)

NOT_FOUND = HTTPException(404, "Metric not found")


@app.get("/health")
async def health(session: Reading) -> dict[str, bool]:
    await session.execute(text("SELECT 1"))
    return {"application": True, "database": True}


@app.get("/metrics")
async def list_metrics(
    session: Reading,
    _: Viewer,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: uuid.UUID | None = None,
    q: Annotated[str | None, Query(max_length=200)] = None,
) -> MetricPage:
    wanted = select(Metric).order_by(Metric.id).limit(limit + 1)
    wanted = wanted.options(joinedload(Metric.query), selectinload(Metric.layouts))
    if cursor is not None:
        wanted = wanted.where(Metric.id > cursor)
    if q:
        texts = Metric.name, Metric.description
        wanted = wanted.where(or_(*(column.icontains(q, autoescape=True) for column in texts)))
    metrics = (await session.scalars(wanted)).all()
    return MetricPage(
        items=[MetricBody(**MetricBody.fields_of(metric)) for metric in metrics[:limit]],
        next_cursor=metrics[limit - 1].id if len(metrics) > limit else None,
    )


@app.get("/metrics/{metric_id}")
async def get_metric(
    sessions: ReadingSessions,
    _: Viewer,
    metric_id: uuid.UUID,
    window: Annotated[Window, Query()],
    if_none_match: Annotated[str | None, Header()] = None,
    cache_control: Annotated[str | None, Header()] = None,
) -> Response:
    metric = await answers.find_metric(sessions, metric_id)
    if metric is None:
        raise NOT_FOUND
    key = answers.key_of(metric, window)
    wants_new = cache_control is not None and "no-cache" in cache_control
    answer = None if wants_new else answers.kept.get(key)
    if answer is None:
        answer = await answers.run(sessions, metric, window)
        answers.kept[key] = answer
        status = f"reference; fwd={'request' if wants_new else 'uri-miss'}; stored"
    else:
        left = int(settings().cache_ttl - (time.monotonic() - answer.made))
        status = f"reference; hit; ttl={left}"
    headers = {
        "Age": str(answer.age),
        "Cache-Control": "private, no-cache",
        "Cache-Status": status,
        "ETag": answer.etag,
        "Vary": "Authorization, Accept, Accept-Encoding",
    }
    if if_none_match == answer.etag:
        return Response(status_code=304, headers=headers)
    return Response(answer.body, headers=headers, media_type="application/json")


@app.post("/metrics/{metric_id}/metric-records", status_code=201)
async def create_record(
    sessions: ReadingSessions,
    session: Writing,
    identity: Editor,
    metric_id: uuid.UUID,
    body: NewRecord,
    request: Request,
) -> Response:
    metric = await answers.find_metric(sessions, metric_id)
    if metric is None:
        raise NOT_FOUND
    now = datetime.now(UTC)
    day = body.date or now
    if day.tzinfo is not None:
        day = day.astimezone(UTC).replace(tzinfo=None)
    values = body.model_dump(exclude={"date"})
    session.add(Record(id=metric.query_id, metric_id=uuid.uuid4(), date=day, **values))
    session.add(
        AuditEvent(
            at=now,
            issuer=settings().issuer,
            subject=identity.subject,
            action="record",
            object_kind="metric",
            object_id=str(metric_id),
            address=request.client.host if request.client else None,
            request_id=request.state.request_id,
            outcome="done",
        )
    )
    await session.commit()
    answers.additions[metric.query_id] += 1
    return Response(status_code=201)
