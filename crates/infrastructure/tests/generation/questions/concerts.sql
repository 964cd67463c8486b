-- Two kinds of things and what links them, without a column of dates.
CREATE TABLE stadium (stadium_id int PRIMARY KEY, name text, location text, capacity int, opening_year int);
CREATE TABLE singer (singer_id int PRIMARY KEY, name text, country text, song_name text, song_release_year int, age int, is_active boolean);
CREATE TABLE concert (concert_id int PRIMARY KEY, concert_name text, theme text, stadium_id int REFERENCES stadium, year int, tickets_sold int);
CREATE TABLE singer_in_concert (concert_id int REFERENCES concert, singer_id int REFERENCES singer, fee numeric(10, 2));
INSERT INTO stadium SELECT n, 'Stadium ' || n, (ARRAY['Leeds', 'Glasgow', 'Cardiff', 'Dublin'])[n % 4 + 1], 2000 + n * 1131 % 48000, 1930 + n * 7 % 90 FROM generate_series(1, 17) n;
INSERT INTO singer SELECT n, 'Singer ' || n, (ARRAY['France', 'Netherlands', 'United States', 'Italy'])[n * 3 % 7 % 4 + 1], 'Song ' || n, 1985 + n * 5 % 36, 20 + n, n % 3 > 0 FROM generate_series(1, 32) n;
INSERT INTO concert SELECT n, 'Concert ' || n, (ARRAY['Free choice', 'Bleeding Love', 'Wide Awake', 'Party All Night'])[n * 5 % 7 % 4 + 1], n * n % 13 + 1, 2013 + n % 4, n * 337 % 9000 + n FROM generate_series(1, 45) n;
INSERT INTO singer_in_concert SELECT n % 45 + 1, n * 11 % 28 + 1, n * 71 % 900 + 100 FROM generate_series(1, 120) n;
