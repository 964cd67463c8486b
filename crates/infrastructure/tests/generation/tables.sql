-- What the sentences ask about, beside the built-in `metrics`: 2024-01 to 2025-08, the same rows every time.
INSERT INTO metrics (metric_id, id, date, obsolescence_val, obsolescence, parts_flagged, alert_type, alert_category)
SELECT ('00000000-0000-4000-8000-' || lpad(n::text, 12, '0'))::uuid, 'seed-' || n % 7,
    timestamp '2024-01-01 05:30' + n * interval '5 hours',
    CASE WHEN n % 3 = 0 THEN n % 50 END, (n * 7 % 240) + 0.5, n * 5 % 13,
    CASE WHEN n % 6 < 5 THEN (ARRAY['Critical', 'Warning', 'Info', 'Warning', 'Info'])[n % 6 + 1] END,
    CASE WHEN n % 7 < 6 THEN
        (ARRAY['Need approval', 'Approved', 'Rejected', 'Price change', 'End of life', 'Need approval'])[n % 7 + 1] END
FROM generate_series(1, 2790) AS n;

CREATE TABLE orders (
    id int PRIMARY KEY,
    ordered_at timestamp NOT NULL,
    shipped_on date,
    region text NOT NULL,
    customer_name text NOT NULL,
    "productLine" text NOT NULL,
    status text NOT NULL,
    is_express boolean NOT NULL,
    quantity int NOT NULL,
    unit_price numeric(10, 2) NOT NULL,
    amount numeric(12, 2) NOT NULL,
    discount numeric(10, 2)
);
COMMENT ON TABLE orders IS 'What customers bought';
COMMENT ON COLUMN orders.amount IS 'Revenue in euros, without tax';
INSERT INTO orders
SELECT n, moment, CASE WHEN n % 5 > 0 THEN moment::date + n % 4 END,
    (ARRAY['EMEA', 'APAC', 'North America', 'LATAM'])[n % 11 % 4 + 1], 'Customer ' || n * 13 % 83,
    (ARRAY['Pumps', 'Valves', 'Spare parts'])[n % 3 + 1],
    (ARRAY['paid', 'open', 'cancelled', 'returned', 'paid'])[n * 3 % 5 + 1], n % 4 = 0, n % 6 + 1,
    (n * 17 % 90) + 0.25, ((n % 6 + 1) * ((n * 17 % 90) + 0.25))::numeric(12, 2),
    CASE WHEN n % 3 = 0 THEN n % 20 END
FROM generate_series(1, 1945) AS n,
    LATERAL (SELECT timestamp '2024-01-01 02:00' + n * interval '430 minutes') AS t (moment);

CREATE TABLE support_tickets (
    ticket_id bigint PRIMARY KEY,
    created timestamptz NOT NULL,
    priority text NOT NULL,
    state text NOT NULL,
    team text NOT NULL,
    reopened boolean,
    hours_spent numeric(6, 2) NOT NULL,
    score int
);
COMMENT ON COLUMN support_tickets.score IS 'Satisfaction, from 1 to 5';
INSERT INTO support_tickets
SELECT n, timestamptz '2024-06-01 00:00+00' + n * interval '10 hours',
    (ARRAY['high', 'normal', 'low', 'normal'])[n * 3 % 4 + 1],
    (ARRAY['Open', 'Closed', 'Closed', 'In progress', 'Waiting for customer', 'Closed', 'Closed'])[n % 7 + 1],
    (ARRAY['Billing', 'Logistics', 'Hardware'])[n * 5 % 9 % 3 + 1], CASE WHEN n % 10 > 0 THEN n % 5 = 1 END,
    (n % 16) * 0.25, CASE WHEN n % 3 > 0 THEN n % 5 + 1 END
FROM generate_series(1, 1024) AS n;

CREATE VIEW open_tickets AS SELECT * FROM support_tickets WHERE state <> 'Closed';
COMMENT ON VIEW open_tickets IS 'Tickets that still need work';

CREATE TABLE "Machine Readings" (
    "Reading Day" date NOT NULL,
    "Machine" text NOT NULL,
    "Sensor Type" text NOT NULL,
    "Value" double precision NOT NULL,
    faulty boolean NOT NULL
);
INSERT INTO "Machine Readings"
SELECT DATE '2025-01-01' + n / 6, 'M' || n % 4, (ARRAY['temperature', 'pressure', 'vibration'])[n % 3 + 1],
    (n * 11 % 64) * 0.5, n % 9 = 0
FROM generate_series(1, 1280) AS n;

CREATE TABLE suppliers (
    id int PRIMARY KEY,
    name text NOT NULL,
    country text NOT NULL,
    certified boolean NOT NULL,
    lead_days int NOT NULL
);
COMMENT ON COLUMN suppliers.lead_days IS 'Delivery time in days';
INSERT INTO suppliers
SELECT n, 'Supplier ' || n, (ARRAY['Germany', 'France', 'Japan', 'United States'])[n * 3 % 7 % 4 + 1], n % 3 = 0, n * 5 % 31
FROM generate_series(1, 60) AS n;
