-- Events with a day of their own, and two keys to one table.
CREATE TABLE airlines (airline_id int PRIMARY KEY, name text, country text, abbreviation text);
CREATE TABLE airports (airport_code text PRIMARY KEY, name text, city text, country text, elevation int);
CREATE TABLE flights (flight_id int PRIMARY KEY, airline_id int REFERENCES airlines, source text REFERENCES airports,
    destination text REFERENCES airports, departed_at timestamptz, arrived_at timestamptz, status text, passengers int, delay_minutes int, cancelled boolean);
COMMENT ON COLUMN flights.delay_minutes IS 'Delay of the arrival in minutes';
CREATE TABLE bookings (booking_id int PRIMARY KEY, flight_id int REFERENCES flights, booked_at timestamptz, seat_class text, price numeric(10, 2), passenger_name text);
INSERT INTO airlines SELECT n, (ARRAY['Northwind', 'Skyline', 'Aero Uno', 'Delta Blue', 'Jetline', 'Vista', 'Orbit'])[n],
    (ARRAY['Germany', 'Spain', 'USA', 'Canada'])[n % 4 + 1], 'A' || n FROM generate_series(1, 7) n;
INSERT INTO airports SELECT 'AP' || n, 'Field ' || n, (ARRAY['Berlin', 'Madrid', 'Boston', 'Toronto', 'Ottawa'])[n % 5 + 1],
    (ARRAY['Germany', 'Spain', 'USA', 'Canada'])[n % 4 + 1], n * 91 % 700 FROM generate_series(1, 12) n;
INSERT INTO flights SELECT n, n * n % 11 % 6 + 1, 'AP' || n % 12 + 1, 'AP' || n * 5 % 11 + 1, t, t + interval '3 hours',
    (ARRAY['landed', 'scheduled', 'diverted', 'landed'])[n % 4 + 1], 40 + n * 37 % 150, n * 7 % 90, n % 9 = 0
FROM generate_series(1, 1500) n, LATERAL (SELECT timestamptz '2025-08-02 06:00+00' - n * interval '5 hours' AS t) x;
INSERT INTO bookings SELECT n, n % 1500 + 1, timestamptz '2025-08-02 09:00+00' - n * interval '97 minutes',
    (ARRAY['economy', 'economy', 'business', 'first'])[n * 3 % 7 % 4 + 1], 50 + n * 17 % 800, 'Passenger ' || n % 400 FROM generate_series(1, 4000) n;
