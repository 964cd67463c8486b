-- What machines measure, and the alarms that they raise.
CREATE TABLE sites (site_id int PRIMARY KEY, name text, city text, country text);
CREATE TABLE machines (machine_id int PRIMARY KEY, site_id int REFERENCES sites, model text, vendor text, installed_on date, is_active boolean, weight_kg int);
CREATE TABLE readings (id bigint PRIMARY KEY, machine_id int REFERENCES machines, sensor text, value double precision, taken_at timestamp);
CREATE TABLE alarms (id int PRIMARY KEY, machine_id int REFERENCES machines, severity text, raised_at timestamp, cleared_at timestamp, acknowledged boolean, duration_minutes int);
INSERT INTO sites SELECT n, 'Plant ' || chr(64 + n), (ARRAY['Lyon', 'Essen', 'Turin'])[n % 3 + 1], (ARRAY['France', 'Germany', 'Italy'])[n % 3 + 1] FROM generate_series(1, 8) n;
INSERT INTO machines SELECT n, n % 7 + 1, (ARRAY['Press', 'Lathe', 'Mill', 'Robot'])[n * n % 7 % 4 + 1], (ARRAY['Kuhn', 'Oberon'])[n % 5 % 2 + 1],
    DATE '2025-07-20' - n * 23, n % 4 > 0, 900 + n * 37 FROM generate_series(1, 60) n;
INSERT INTO readings SELECT n, n % 53 + 1, (ARRAY['temperature', 'pressure', 'vibration'])[n * 5 % 7 % 3 + 1], (n * 11 % 640) * 0.25,
    timestamp '2025-08-02 10:00' - n * interval '73 minutes' FROM generate_series(1, 5000) n;
INSERT INTO alarms SELECT n, n * n % 47 + 1, (ARRAY['minor', 'major', 'critical', 'minor'])[n * 3 % 11 % 4 + 1], t,
    CASE WHEN n % 6 > 0 THEN t + n % 300 * interval '1 minute' END, n % 3 > 0, n % 300
FROM generate_series(1, 1300) n, LATERAL (SELECT timestamp '2025-08-02 09:00' - n * interval '6 hours' AS t) x;
