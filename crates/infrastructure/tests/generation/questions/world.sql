-- Facts without dates, and two keys of a link.
CREATE TABLE countries (code text PRIMARY KEY, name text, continent text, region text, surface_area numeric(12, 2), population bigint, life_expectancy numeric(4, 1), independence_year int, government_form text);
CREATE TABLE cities (id int PRIMARY KEY, name text, country_code text REFERENCES countries, district text, population int);
CREATE TABLE languages (country_code text REFERENCES countries, language text, is_official boolean, percentage numeric(4, 1), PRIMARY KEY (country_code, language));
INSERT INTO countries SELECT 'C' || n, 'Land of ' || n, (ARRAY['Asia', 'Europe', 'Africa', 'North America', 'Oceania'])[n * n % 11 % 5 + 1],
    (ARRAY['Caribbean', 'Western Europe', 'Central Africa', 'Polynesia'])[n % 4 + 1], n * 1371.5, n * 93017, 48 + n * 7 % 35, 1800 + n * 13 % 200,
    (ARRAY['Republic', 'Monarchy', 'Federation'])[n % 5 % 3 + 1] FROM generate_series(1, 72) n;
INSERT INTO cities SELECT n, 'Town of ' || n, 'C' || n * n % 67 + 1, 'District ' || n % 61, n * 971 FROM generate_series(1, 310) n;
INSERT INTO languages SELECT 'C' || n % 72 + 1, (ARRAY['English', 'Spanish', 'French', 'Arabic', 'Dutch'])[n / 72 + 1], n % 3 = 0, n % 97 FROM generate_series(0, 300) n;
