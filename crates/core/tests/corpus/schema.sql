-- Tables that the corpus reads, with the same rows every time: 2024-11 to 2025-08.
CREATE TABLE customers (
    id int PRIMARY KEY,
    name text NOT NULL,
    region text NOT NULL,
    "Tier" text NOT NULL,
    signed_up date NOT NULL,
    manager_id int
);
INSERT INTO customers
SELECT n, 'Customer ' || n, (ARRAY['north', 'south', 'east', 'west'])[n % 4 + 1],
    (ARRAY['gold', 'silver', 'basic'])[n % 3 + 1], DATE '2024-11-01' + n * 5,
    CASE WHEN n > 1 THEN n / 2 END
FROM generate_series(1, 40) AS n;

CREATE TABLE orders (
    id int PRIMARY KEY,
    customer_id int NOT NULL REFERENCES customers (id),
    ordered_at timestamp NOT NULL,
    shipped_on date,
    created timestamptz NOT NULL,
    status text NOT NULL,
    amount numeric(12, 2) NOT NULL,
    day_text text NOT NULL,
    tags text[] NOT NULL
);
INSERT INTO orders
SELECT n, n * 7 % 40 + 1, moment, CASE WHEN n % 5 > 0 THEN moment::date + n % 4 END,
    moment AT TIME ZONE 'UTC' + interval '90 minutes',
    (ARRAY['open', 'paid', 'shipped', 'returned'])[n * 3 % 4 + 1], (n * 37 % 1000) + (n % 100) / 100.0,
    to_char(moment, 'YYYY-MM-DD'), ARRAY['t' || n % 3, 't' || n % 5]
FROM generate_series(1, 1200) AS n,
    LATERAL (SELECT timestamp '2024-11-01' + n * interval '6 hours') AS t (moment);

CREATE TABLE events (
    id bigint PRIMARY KEY,
    customer_id int,
    happened timestamptz NOT NULL,
    kind text NOT NULL,
    duration interval,
    payload jsonb NOT NULL,
    "Event Day" date NOT NULL
);
INSERT INTO events
SELECT n, CASE WHEN n % 11 > 0 THEN n % 40 + 1 END,
    timestamptz '2024-11-01 00:00:00+00' + n * interval '9 hours',
    (ARRAY['view', 'click', 'buy'])[n % 3 + 1], n % 50 * interval '1 minute',
    jsonb_build_object('n', n, 'even', n % 2 = 0), DATE '2024-11-01' + (n * 9 / 24)
FROM generate_series(1, 800) AS n;

INSERT INTO metrics
SELECT md5('metric ' || n)::uuid, 'query-' || n % 3, timestamp '2024-11-01' + n * interval '12 hours',
    n * 1.5, n * 0.25 - 10, n % 9, (ARRAY['Email', 'SMS', 'Push'])[n % 3 + 1],
    (ARRAY['Need approval', 'Information', 'Urgent'])[n * 2 % 3 + 1]
FROM generate_series(1, 600) AS n;
