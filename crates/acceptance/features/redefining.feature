Feature: Tables that are redefined
  Names and types of an answer are those of the answer itself, whatever was true when the metric was made. A query
  that no longer fits its tables says so.

  Background:
    Given "ann" is an admin
    And "vic" is a viewer
    And I am "ann"

  @native
  Rule: An answer has the columns of its rows

    Scenario: A column is added
      Given this SQL was run in the database
        """
        CREATE TABLE gauges (id int, a int); INSERT INTO gauges VALUES (1, 1);
        GRANT SELECT ON gauges TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT * FROM gauges
        """
      When I ask for the metric "{id}"
      Then its columns are [{"name": "id", "type": "int4"}, {"name": "a", "type": "int4"}]
      Given this SQL was run in the database
        """
        ALTER TABLE gauges ADD COLUMN b text DEFAULT 'x'
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then its columns are [{"name": "id", "type": "int4"}, {"name": "a", "type": "int4"}, {"name": "b", "type": "text"}]
      And its records are [{"id": 1, "a": 1, "b": "x"}]

    Scenario: A column is dropped, renamed, and given another type
      Given this SQL was run in the database
        """
        CREATE TABLE sales (id int, revenue numeric, cost numeric); INSERT INTO sales VALUES (1, 100, 60);
        GRANT SELECT ON sales TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT * FROM sales
        """
      When I ask for the metric "{id}" as CSV
      Then the body is the CSV
        """
        id,revenue,cost
        1,100,60
        """
      Given this SQL was run in the database
        """
        ALTER TABLE sales DROP COLUMN revenue
        """
      When I ask for the metric "{id}" as CSV
      Then the body is the CSV
        """
        id,cost
        1,60
        """
      Given this SQL was run in the database
        """
        ALTER TABLE sales RENAME COLUMN cost TO price; ALTER TABLE sales ALTER COLUMN id TYPE text;
        DELETE FROM sales
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then its columns are [{"name": "id", "type": "text"}, {"name": "price", "type": "numeric"}]
      And its records are []

    Scenario: Two tables change their names
      Given this SQL was run in the database
        """
        CREATE TABLE swapped (a int, b int); INSERT INTO swapped VALUES (1, 2);
        CREATE TABLE newer (b int, a text); INSERT INTO newer VALUES (20, 'ten');
        GRANT SELECT ON swapped, newer TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT * FROM swapped
        """
      When I ask for the metric "{id}"
      Then its records are [{"a": 1, "b": 2}]
      Given this SQL was run in the database
        """
        ALTER TABLE swapped RENAME TO older; ALTER TABLE newer RENAME TO swapped
        """
      When I ask for the metric "{id}" as CSV
      Then the body is the CSV
        """
        b,a
        20,ten
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then its columns are [{"name": "b", "type": "int4"}, {"name": "a", "type": "text"}]

    Scenario: A grant is taken back
      Given this SQL was run in the database
        """
        CREATE TABLE given_back (n int); GRANT SELECT ON given_back TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT n FROM given_back
        """
      Given this SQL was run in the database
        """
        REVOKE SELECT ON given_back FROM metricd_reader
        """
      When I run "metricd validate --database"
      Then it exits with 2
      And it prints "may no longer read `given_back`"

    Scenario: A view is made anew
      Given this SQL was run in the database
        """
        CREATE VIEW pair AS SELECT 1 AS a, 2 AS b; GRANT SELECT ON pair TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT * FROM pair
        """
      When I ask for the metric "{id}" as CSV
      Then the body is the CSV
        """
        a,b
        1,2
        """
      Given this SQL was run in the database
        """
        DROP VIEW pair; CREATE VIEW pair AS SELECT 2 AS b, 1 AS a; GRANT SELECT ON pair TO metricd_reader
        """
      When I ask for the metric "{id}" as CSV
      Then the body is the CSV
        """
        b,a
        2,1
        """

    Scenario: A column is gone that the query names
      Given this SQL was run in the database
        """
        CREATE TABLE gauges (id int, a int); INSERT INTO gauges VALUES (1, 1);
        GRANT SELECT ON gauges TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT id,
          a FROM gauges
        """
      When I ask for the metric "{id}"
      Then its records are [{"id": 1, "a": 1}]
      Given this SQL was run in the database
        """
        ALTER TABLE gauges DROP COLUMN a
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 424
      And its type is "urn:metricd:problem:metric-broken"
      And it is a problem: "line 2, column 3: column"
      And it is a problem: "does not exist (SQLSTATE 42703)"
      When I ask for "/metrics"
      Then its items.0.health.status is "broken"
      When I run "metricd validate --database"
      Then it exits with 2
      And it prints "line 2, column 3: column"
      And it prints "SQLSTATE 42703"
      Given I am "vic"
      When I ask for the metric "{id}"
      Then the answer is 424
      And it is a problem: "its query no longer fits the database"
      And the body does not mention "column"
      Given this SQL was run in the database
        """
        ALTER TABLE gauges ADD COLUMN a int DEFAULT 5
        """
      When I ask for the metric "{id}"
      Then its records are [{"id": 1, "a": 5}]
      When I ask for "/metrics"
      Then its items.0.health is null
      When I run "metricd validate --database --format json"
      Then it succeeds
      And it prints
        """
        {"checked": 1, "broken": []}
        """

    Scenario Outline: <what>: the metric is broken
      Given this SQL was run in the database
        """
        CREATE TABLE gauges (a int); CREATE MATERIALIZED VIEW totals AS SELECT 1 AS n;
        GRANT SELECT ON gauges, totals TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        <query>
        """
      And this SQL was run in the database
        """
        <change>
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 424
      And its type is "urn:metricd:problem:metric-broken"
      And it is a problem: "<reason>"
      Given I am "vic"
      When I ask for the metric "{id}"
      Then the answer is 424
      And the body does not mention "<reason>"

      Examples:
        | what                      | query                | change                                        | reason         |
        | a table is dropped        | SELECT a FROM gauges | DROP TABLE gauges                             | gauges         |
        | a grant is taken back     | SELECT a FROM gauges | REVOKE SELECT ON gauges FROM metricd_reader   | gauges         |
        | a view holds rows no more | SELECT n FROM totals | REFRESH MATERIALIZED VIEW totals WITH NO DATA | SQLSTATE 55000 |

    Scenario: What a function changes in its session is gone before the next query
      Given this SQL was run in the database
        """
        CREATE FUNCTION moves() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
          PERFORM set_config('TimeZone', 'Asia/Tokyo', false), set_config('search_path', 'pg_catalog', false);
          RETURN 1;
        END $$;
        CREATE VIEW moved AS SELECT moves() AS n; CREATE TABLE gauges (a int);
        GRANT SELECT ON moved, gauges TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT n FROM moved
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]
      Given a metric with the query
        """
        SELECT timestamptz '2025-06-01 00:00' AS t, count(*) AS n FROM gauges
        """
      When I ask for the metric "{id}"
      Then its records are [{"t": "2025-06-01T00:00:00+00:00", "n": 0}]

    Scenario: A broken metric is told of from memory, and nothing is written
      Given this SQL was run in the database
        """
        CREATE TABLE gauges (a int); GRANT SELECT ON gauges TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT a FROM gauges
        """
      And this SQL was run in the database
        """
        ALTER TABLE gauges DROP COLUMN a
        """
      # Who reads goes on, and who writes waits.
      And this SQL is run in a transaction that stays open
        """
        DO $$ DECLARE of_metricd record; BEGIN
          FOR of_metricd IN SELECT oid::regclass AS name FROM pg_class
            WHERE relnamespace IN ('metricd'::regnamespace, 'public'::regnamespace) AND relkind = 'r' LOOP
            EXECUTE 'LOCK TABLE ' || of_metricd.name || ' IN EXCLUSIVE MODE';
          END LOOP;
        END $$
        """
      When I ask for the metric "{id}"
      Then the answer is 424
      When I ask for "/metrics"
      Then its items.0.health.status is "broken"

    Scenario: Two columns of an answer have one name by now
      Given this SQL was run in the database
        """
        CREATE TABLE lefts (a int); INSERT INTO lefts VALUES (1); CREATE TABLE rights (b int); INSERT INTO rights VALUES (2);
        GRANT SELECT ON lefts, rights TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT * FROM lefts, rights
        """
      When I ask for the metric "{id}"
      Then its records are [{"a": 1, "b": 2}]
      Given this SQL was run in the database
        """
        ALTER TABLE rights ADD COLUMN a int DEFAULT 7
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 424
      And it is a problem: "two columns of the answer are named `a`"
      When I run "metricd validate --database"
      Then it exits with 2
      And it prints "two columns of the answer are named `a`"

    Scenario: A name that was a column does not become a call
      Given this SQL was run in the database
        """
        CREATE TABLE gauges (id int, a int); INSERT INTO gauges VALUES (1, 1);
        GRANT SELECT ON gauges TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT g.a AS x FROM gauges g
        """
      When I ask for the metric "{id}"
      Then its records are [{"x": 1}]
      Given this SQL was run in the database
        """
        ALTER TABLE gauges DROP COLUMN a;
        CREATE FUNCTION public.a(gauges) RETURNS int LANGUAGE sql AS 'SELECT 66'
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 424
      And its type is "urn:metricd:problem:metric-broken"
      And it is a problem: "public.a()"

    Scenario: The owner of a view may no longer read its tables
      Given this SQL was run in the database
        """
        CREATE ROLE analyst; CREATE TABLE readings (n int); GRANT SELECT ON readings TO analyst;
        CREATE VIEW all_readings AS SELECT n FROM readings; ALTER VIEW all_readings OWNER TO analyst;
        GRANT SELECT ON all_readings TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT n FROM all_readings
        """
      Given this SQL was run in the database
        """
        REVOKE SELECT ON readings FROM analyst
        """
      When I run "metricd validate --database"
      Then it exits with 2
      And it prints "permission denied for table readings"

    Scenario: Cached answers end with the definition that they were made from
      Given this SQL was run in the database
        """
        CREATE TABLE parts (n int) PARTITION BY RANGE (n);
        CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10); INSERT INTO parts VALUES (1);
        CREATE TABLE parts_2 (n int); INSERT INTO parts_2 VALUES (100);
        CREATE VIEW level AS SELECT 1 AS n;
        GRANT SELECT ON parts, level TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT sum(n) AS n FROM parts
        """
      And I remember its id as "of_parts"
      And a metric with the query
        """
        SELECT n FROM level
        """
      When I ask for the metric "{of_parts}"
      Then its records are [{"n": 1}]
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]
      Given this SQL was run in the database
        """
        ALTER TABLE parts ATTACH PARTITION parts_2 FOR VALUES FROM (100) TO (200);
        CREATE OR REPLACE VIEW level AS SELECT 2 AS n
        """
      Then the metric "{of_parts}" soon has the records [{"n": 101}]
      And the metric "{id}" soon has the records [{"n": 2}]

    Scenario: A function is replaced that a query or a view calls
      Given this SQL was run in the database
        """
        CREATE FUNCTION level(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT n + 1';
        CREATE VIEW levels AS SELECT level(1) AS n; GRANT SELECT ON levels TO metricd_reader
        """
      And the setting "METRICD_SQL__FUNCTIONS" is "level"
      And metricd is running
      And a metric with the query
        """
        SELECT level(1) AS n
        """
      And I remember its id as "direct"
      And a metric with the query
        """
        SELECT n FROM levels
        """
      When I ask for the metric "{direct}"
      Then its records are [{"n": 2}]
      When I ask for the metric "{id}"
      Then its records are [{"n": 2}]
      Given this SQL was run in the database
        """
        CREATE OR REPLACE FUNCTION level(n int) RETURNS int LANGUAGE sql STABLE AS 'SELECT n + 2'
        """
      Then the metric "{direct}" soon has the records [{"n": 3}]
      And the metric "{id}" soon has the records [{"n": 3}]

    Scenario: A label and a type have new names
      Given this SQL was run in the database
        """
        CREATE TYPE mood AS ENUM ('ok', 'bad'); CREATE TABLE moods (mood mood); INSERT INTO moods VALUES ('ok');
        GRANT SELECT ON moods TO metricd_reader
        """
      And metricd is running
      And a metric with the query
        """
        SELECT mood FROM moods
        """
      When I ask for the metric "{id}"
      Then its records are [{"mood": "ok"}]
      Given this SQL was run in the database
        """
        ALTER TYPE mood RENAME VALUE 'ok' TO 'fine'
        """
      Then the metric "{id}" soon has the records [{"mood": "fine"}]
      Given this SQL was run in the database
        """
        ALTER TYPE mood RENAME TO humour
        """
      When I ask for "/metrics/{id}" until the body mentions "humour"
      Then its columns are [{"name": "mood", "type": "humour"}]
