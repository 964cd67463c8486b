"""The tables, as metricd's migrations make them."""

import uuid
from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, DateTime, ForeignKey, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {str: Text}


class Query(Base):
    __tablename__ = "queries"
    __table_args__ = {"schema": "metricd"}

    id: Mapped[str] = mapped_column(primary_key=True)
    sql: Mapped[str]
    columns: Mapped[list[dict]] = mapped_column(JSONB)
    version: Mapped[int] = mapped_column(BigInteger)
    review: Mapped[str]


class LayoutItem(Base):
    __tablename__ = "layout_items"
    __table_args__ = {"schema": "metricd"}

    metric_id: Mapped[uuid.UUID] = mapped_column(
        ForeignKey("metricd.metric_configurations.id"), primary_key=True
    )
    position: Mapped[int] = mapped_column(primary_key=True)
    breakpoint: Mapped[str]
    x: Mapped[int]
    y: Mapped[int]
    w: Mapped[int]
    h: Mapped[int]
    is_static: Mapped[bool | None]


class Metric(Base):
    __tablename__ = "metric_configurations"
    __table_args__ = {"schema": "metricd"}

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    query_id: Mapped[str] = mapped_column(ForeignKey("metricd.queries.id"))
    name: Mapped[str]
    description: Mapped[str | None]
    owner: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    chart: Mapped[str]
    unit: Mapped[str | None]
    cache_ttl_seconds: Mapped[int | None]
    is_editable: Mapped[bool]
    layout_version: Mapped[int] = mapped_column(BigInteger)

    query: Mapped[Query] = relationship()
    layouts: Mapped[list[LayoutItem]] = relationship(order_by=LayoutItem.position)


class Record(Base):
    __tablename__ = "metrics"
    __table_args__ = {"schema": "public"}

    id: Mapped[str] = mapped_column(primary_key=True)
    metric_id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    date: Mapped[datetime]
    obsolescence_val: Mapped[float | None]
    obsolescence: Mapped[float | None]
    parts_flagged: Mapped[int | None]
    alert_type: Mapped[str | None]
    alert_category: Mapped[str | None]


class AuditEvent(Base):
    __tablename__ = "audit_events"
    __table_args__ = {"schema": "metricd"}

    sequence: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    issuer: Mapped[str]
    subject: Mapped[str]
    action: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str | None]
    address: Mapped[str | None]
    request_id: Mapped[str | None]
    outcome: Mapped[str]
