"""What goes over the wire."""

import uuid
from datetime import date, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .models import Metric


class LayoutItemBody(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    breakpoint: str
    x: int
    y: int
    w: int
    h: int
    is_static: bool | None = Field(serialization_alias="static")


class DisplayBody(BaseModel):
    chart: str
    unit: str | None


class MetricBody(BaseModel):
    id: uuid.UUID
    name: str
    description: str | None
    owner: str | None
    tags: list[str]
    display: DisplayBody
    cache_ttl_seconds: int | None
    is_editable: bool
    layouts: list[LayoutItemBody]
    layout_version: int
    query_version: int
    review: str

    @classmethod
    def fields_of(cls, metric: Metric) -> dict[str, Any]:
        return {
            "id": metric.id,
            "name": metric.name,
            "description": metric.description,
            "owner": metric.owner,
            "tags": metric.tags,
            "display": DisplayBody(chart=metric.chart, unit=metric.unit),
            "cache_ttl_seconds": metric.cache_ttl_seconds,
            "is_editable": metric.is_editable,
            "layouts": [LayoutItemBody.model_validate(item) for item in metric.layouts],
            "layout_version": metric.layout_version,
            "query_version": metric.query.version,
            "review": metric.query.review,
        }


class MetricPage(BaseModel):
    items: list[MetricBody]
    next_cursor: uuid.UUID | None


class ColumnBody(BaseModel):
    name: str
    type: str


class Params(BaseModel):
    start_date: date
    end_date: date
    day_range: int | None = None
    timezone: str | None = None
    ignored: list[str] = []


class MetricAnswer(MetricBody):
    columns: list[ColumnBody]
    records: list[dict[str, Any]]
    truncated: bool
    params: Params
    as_of: datetime


class Window(BaseModel):
    """The query string of an answer."""

    start_date: date
    end_date: date

    @model_validator(mode="after")
    def ordered(self) -> "Window":
        if self.end_date < self.start_date:
            raise ValueError("must not end before it starts")
        return self


class NewRecord(BaseModel):
    model_config = ConfigDict(strict=True)

    obsolescence_val: float | None = None
    obsolescence: float | None = None
    parts_flagged: int | None = Field(default=None, ge=-(2**31), lt=2**31)
    alert_type: str | None = None
    alert_category: str | None = None
    date: datetime | None = Field(default=None, strict=False)
