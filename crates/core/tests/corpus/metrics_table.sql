-- The built-in table of records, as the product itself creates it.
CREATE TABLE metrics (
    metric_id uuid NOT NULL,
    id text NOT NULL,
    date timestamp,
    obsolescence_val float8,
    obsolescence float8,
    parts_flagged int,
    alert_type text,
    alert_category text,
    PRIMARY KEY (id, metric_id)
);
CREATE INDEX ON metrics (id, date);
