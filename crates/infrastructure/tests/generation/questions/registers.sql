-- Names that are easily taken for others: people without a name, aggregates, codes, flags beside dates.
CREATE TABLE client (client_id int PRIMARY KEY, gender text, birth_date date, region text);
CREATE TABLE drivers (driver_id int PRIMARY KEY, forename text, surname text, nationality text, dob date, last_update date);
CREATE TABLE gifts (gift_id int PRIMARY KEY, driver_id int REFERENCES drivers, amount numeric(8,2), given_on date, method text,
    received boolean, received_on date);
CREATE TABLE sightings (sighting_id int PRIMARY KEY, seen_at timestamptz, birds int, observer text, weather text, confirmed boolean,
    confirmed_at timestamptz, temp_min numeric(4,1), temp_max numeric(4,1));
CREATE TABLE parking (parking_id int PRIMARY KEY, entered_at timestamptz, left_at timestamptz, fee numeric(6,2), lot text, min_charge numeric(6,2));
CREATE TABLE work_orders (work_order_id int PRIMARY KEY, machine text, opened_at timestamptz, closed_at timestamptz, closed boolean,
    total_hours numeric(5,1), total_score numeric(5,1), priority text, assigned_since date);
CREATE TABLE staff (staff_id int PRIMARY KEY, name text, dept text, country_code text, grade text, base_pay numeric(8,2), bonus int, children int,
    max_hours int, average_score numeric(4,1));
CREATE TABLE tasks (task_id int PRIMARY KEY, staff_id int REFERENCES staff, title text, state text, created_at timestamptz, done boolean, done_at timestamptz);
CREATE TABLE reviewers (reviewer_id int PRIMARY KEY, name text, joined_on date, country text);
CREATE TABLE books (book_id int PRIMARY KEY, title text, acquired_on date, copies int, floor int, remark text);
INSERT INTO client SELECT n, (ARRAY['F', 'M'])[n % 3 % 2 + 1], DATE '1950-03-01' + n * 211, (ARRAY['north', 'south'])[n % 2 + 1] FROM generate_series(1, 90) n;
INSERT INTO drivers SELECT n, (ARRAY['Ann', 'Bo', 'Cy'])[n % 3 + 1], 'Driver ' || n, (ARRAY['British', 'Dutch', 'French'])[n * 7 % 5 % 3 + 1],
    DATE '1960-01-05' + n * 301, DATE '2025-07-01' + n % 30 FROM generate_series(1, 60) n;
INSERT INTO gifts SELECT n, n % 50 + 1, 5 + n * 37 % 400, DATE '2025-08-02' - n % 500, (ARRAY['card', 'cash'])[n % 2 + 1], n % 3 > 0,
    CASE WHEN n % 3 > 0 THEN DATE '2025-08-02' - n % 500 + n % 20 END FROM generate_series(1, 700) n;
INSERT INTO sightings SELECT n, TIMESTAMPTZ '2025-08-01 09:00+00' - n % 450 * INTERVAL '1 day', n % 4, (ARRAY['Ida', 'Olaf'])[n % 2 + 1],
    (ARRAY['rain', 'sun', 'fog'])[n * n % 7 % 3 + 1], n % 2 = 0, CASE WHEN n % 2 = 0 THEN TIMESTAMPTZ '2025-08-01 09:00+00' - n % 450 * INTERVAL '1 day'
    + n % 9 * INTERVAL '1 day' END, n % 17, n % 17 + n % 5 + 1 FROM generate_series(1, 600) n;
INSERT INTO parking SELECT n, TIMESTAMPTZ '2025-08-01 09:00+00' - n * INTERVAL '20 hours', CASE WHEN n % 9 > 0 THEN TIMESTAMPTZ '2025-08-01 19:00+00'
    - n * INTERVAL '20 hours' END, n % 23, (ARRAY['east', 'west'])[n % 2 + 1], n % 4 + 1 FROM generate_series(1, 400) n;
INSERT INTO work_orders SELECT n, 'M' || n % 7, TIMESTAMPTZ '2025-07-30 09:00+00' - n * INTERVAL '30 hours', CASE WHEN n % 4 > 0 THEN
    TIMESTAMPTZ '2025-08-01 09:00+00' - n * INTERVAL '28 hours' END, n % 4 > 0, n % 31 / 2.0, n % 11, (ARRAY['high', 'low'])[n % 2 + 1],
    CASE WHEN n % 3 = 0 THEN DATE '2025-08-01' - n END FROM generate_series(1, 300) n;
INSERT INTO staff SELECT n, 'Person ' || n, (ARRAY['IT', 'HR', 'Sales'])[n % 3 + 1], (ARRAY['US', 'NO', 'AT', 'IN'])[n * n % 11 % 4 + 1],
    (ARRAY['A', 'B', 'C'])[n * 5 % 7 % 3 + 1], 2000 + n * 13, CASE WHEN n % 4 > 0 THEN n % 5 * 100 END, n % 3, 30 + n % 11, n % 6 FROM generate_series(1, 80) n;
INSERT INTO tasks SELECT n, n % 70 + 1, 'Task ' || n, (ARRAY['new', 'in progress', 'finished'])[n % 3 + 1], TIMESTAMPTZ '2025-08-01 09:00+00' - n * INTERVAL '30 hours',
    n % 3 = 2, CASE WHEN n % 3 = 2 THEN TIMESTAMPTZ '2025-08-01 09:00+00' - n * INTERVAL '25 hours' END FROM generate_series(1, 250) n;
INSERT INTO reviewers SELECT n, 'Reviewer ' || n, DATE '2015-01-01' + n * 40, (ARRAY['US', 'UK'])[n % 2 + 1] FROM generate_series(1, 40) n;
INSERT INTO books SELECT n, 'Book ' || n, DATE '2019-01-01' + n * 9, n % 4, n % 3 + 1, CASE WHEN n % 2 = 0 THEN 'worn' END FROM generate_series(1, 200) n;
