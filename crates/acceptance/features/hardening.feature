Feature: Hard to hurt
  A caller who may write SQL, or only ask, cannot stop the service for the others.

  Rule: What nothing could end does not begin

    Scenario Outline: <what> is refused
      Given metricd is running
      When I POST to "/metrics/preview"
        """
        {"query": "<query>"}
        """
      Then the answer is 422
      And the body mentions "<words>"

      Examples:
        | what                                   | words                    | query |
        | A search in a text that was made large | that no time limit ends  | WITH d AS MATERIALIZED (SELECT replace(repeat('a',5000),'a',repeat('a',100)) s) SELECT strpos(s, 'b'\|\|left(s,250000)) AS n FROM d |
        | A comparison of collected jsonb        | that no time limit ends  | SELECT jsonb_agg(id) @> jsonb_agg(id) AS n FROM metrics |
        | An overlap of collected arrays         | that no time limit ends  | SELECT array_agg(id) && array_agg(id) AS n FROM metrics |
        | A long map of translate                | that no time limit ends  | SELECT translate(repeat('a', 10000), repeat('b', 10000), 'c') AS n |
        | A distance of long paths               | that no time limit ends  | WITH p AS (SELECT string_agg(point(g, g)::text, ',')::path AS p FROM generate_series(1, 1000) g) SELECT a.p <-> b.p AS n FROM p a, p b |
        | An overlap of large polygons           | that no time limit ends  | WITH p AS (SELECT string_agg(point(g, g)::text, ',')::polygon AS p FROM generate_series(1, 1000) g) SELECT a.p && b.p AS n FROM p a, p b |
        | Marks that are sorted                  | that no time limit ends  | SELECT normalize(repeat('a', 10000)) AS n |
        | A pattern that was made large          | that no time limit ends  | SELECT repeat('a', 10000) LIKE '%' \|\| repeat('a', 5000) \|\| 'b' AS n |
        | Characters that are trimmed            | that no time limit ends  | SELECT btrim(repeat('a', 10000), repeat('b', 10000)) AS n |
        | A path that pairs elements             | that no time limit ends  | SELECT jsonb_path_exists(jsonb_agg(g), '$[*] ? (@ == $[*])') AS n FROM generate_series(1, 1000) g |
        | A polygon of so many points            | number of points         | SELECT polygon(60000000, '<(0,0),1>'::circle) AS n |
        | A zone for each row                    | time zone is made        | SELECT count(now() AT TIME ZONE ('Foo' \|\| g)) AS n FROM generate_series(1, 10000) g |
        | The type of a number                   | pg_typeof(…)::text       | SELECT CASE WHEN false THEN pg_typeof(1) ELSE 16385 END AS n |
        | The table of a row                     | PostgreSQL's own         | SELECT tableoid AS n FROM metrics |
        | The transaction of a row               | PostgreSQL's own         | SELECT xmin AS n FROM metrics |
        | A view of an extension                 | tells of the server      | SELECT query AS n FROM public.pg_stat_statements |
        | Text that is nested deep               | nested                   | SELECT length((repeat('[',10000)\|\|repeat(']',10000))::jsonb::text) AS n |

    Scenario: A statement that doubles while it is planned is refused
      Given metricd is running
      When I POST to "/metrics/preview"
        """
        {"query": "WITH c0 AS (SELECT 1 AS x FROM metrics), c1 AS NOT MATERIALIZED (SELECT a.x FROM c0 a, c0 b), c2 AS NOT MATERIALIZED (SELECT a.x FROM c1 a, c1 b), c3 AS NOT MATERIALIZED (SELECT a.x FROM c2 a, c2 b), c4 AS NOT MATERIALIZED (SELECT a.x FROM c3 a, c3 b), c5 AS NOT MATERIALIZED (SELECT a.x FROM c4 a, c4 b), c6 AS NOT MATERIALIZED (SELECT a.x FROM c5 a, c5 b), c7 AS NOT MATERIALIZED (SELECT a.x FROM c6 a, c6 b), c8 AS NOT MATERIALIZED (SELECT a.x FROM c7 a, c7 b), c9 AS NOT MATERIALIZED (SELECT a.x FROM c8 a, c8 b), c10 AS NOT MATERIALIZED (SELECT a.x FROM c9 a, c9 b) SELECT x FROM c10"}
        """
      Then the answer is 422
      And the body mentions "more than 1000 tables"

  # The embedded engine has no other roles, and ends what takes too long with its process.
  @native
  Rule: What cannot be ended keeps its place

    # The function is an operator's, and its text is not looked into.
    Scenario: A run that goes on is told, and others run once it is gone
      Given the setting "METRICD_SQL__FUNCTIONS" is "search"
      And the setting "METRICD_CACHE__TTL" is "0s"
      And metricd is running
      And this SQL was run in the database
        """
        CREATE FUNCTION public.search() RETURNS int LANGUAGE sql AS 'SELECT 1'
        """
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And I remember its id as "quick"
      And a metric with the query
        """
        SELECT search() AS n
        """
      When metricd stops
      # Not before: a new metric is run once.
      Given this SQL was run in the database
        """
        CREATE OR REPLACE FUNCTION public.search() RETURNS int LANGUAGE sql AS $$
          WITH d AS MATERIALIZED (SELECT replace(repeat('a', 4000), 'a', repeat('a', 100)) s)
          SELECT strpos(s, 'b' || left(s, 120000)) FROM d $$
        """
      And the setting "METRICD_LIMITS__CONCURRENT_QUERIES" is "1"
      And the setting "METRICD_LIMITS__QUERY_TIMEOUT" is "2s"
      And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "1s"
      When metricd starts again
      And I ask for the metric "{id}"
      Then the answer is 504
      When I ask for "/health" until the body mentions "unended_queries"
      Then the answer is 200
      And its degraded is true
      And its unended_queries is 1
      And one WARN line mentions "does not end when it is told to"
      When I ask for the metric "{quick}" until the answer is 200
      Then its records are [{"x": 1}]
      And one INFO line mentions "is gone"
      When I ask for "/health"
      Then the body is
        """
        {"application": true, "database": true}
        """

  Rule: Callers take turns

    # Each of the first caller's takes about a second, and a query waits for 20 seconds at most.
    Scenario: One caller's many requests do not hold another's
      Given the setting "METRICD_LIMITS__CONCURRENT_QUERIES" is "1"
      And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "20s"
      And "ann" is a viewer
      And "bob" is a viewer
      And metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And I remember its id as "quick"
      And a metric with the query
        """
        SELECT count(md5(a::text || b::text)) AS n FROM generate_series(1, 1000) a, generate_series(1, 1000) b
        """
      When I am "ann"
      And 60 clients ask for the metric "{id}" anew, whatever comes of it
      And I am "bob"
      And the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{quick}"
      Then the answer is 200
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{quick}"
      Then the answer is 200
      And its records are [{"x": 1}]

    # What waits for a lock is not seen from the only connection of the embedded engine.
    @native
    Scenario: One caller's requests on a locked table do not hold another's
      Given the setting "METRICD_LIMITS__CONCURRENT_QUERIES" is "4"
      And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "18s"
      And "ann" is a viewer
      And "bob" is a viewer
      And metricd is running
      And this SQL was run in the database
        """
        CREATE TABLE locked (n int);
        GRANT SELECT ON locked TO metricd_reader
        """
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And I remember its id as "quick"
      And a metric with the query
        """
        SELECT n FROM locked
        """
      And I am "ann"
      When I ask for the metric "{id}"
      Then the answer is 200
      Given this SQL is run in a transaction that stays open
        """
        LOCK TABLE locked
        """
      # Each of them waits for the lock for a quarter of the time that others wait for a place.
      When 60 clients ask for the metric "{id}" anew, whatever comes of it
      Then in the database, "SELECT count(*) > 2 AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'" soon gives
        """
        [{"waiting": true}]
        """
      When I am "bob"
      And the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{quick}"
      Then the answer is 200
      And its records are [{"x": 1}]

  # Plans of the embedded engine know no statistics of what was loaded a moment ago.
  @native
  Rule: One tenant's cost says nothing of another's

    Scenario Outline: <first> asks first
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "custom:tenant_id"
      And the setting "METRICD_CACHE__TTL" is "0s"
      And "huge" is a viewer with the claim "custom:tenant_id" "huge"
      And "small" is a viewer with the claim "custom:tenant_id" "small"
      And metricd is running
      And this SQL was run in the database
        """
        CREATE TABLE sales AS
          SELECT CASE WHEN n <= 10 THEN 'small' ELSE 'huge' END AS tenant, n AS id FROM generate_series(1, 20000) n;
        CREATE INDEX ON sales (tenant);
        ANALYZE sales;
        GRANT SELECT ON sales TO metricd_reader
        """
      And a metric with the query
        """
        SELECT count(*) AS n FROM (SELECT DISTINCT a.id FROM sales a, sales b
          WHERE a.tenant = :claim_tenant_id AND b.tenant = :claim_tenant_id AND b.id < a.id) AS pairs
        """
      When metricd stops
      Given the setting "METRICD_LIMITS__MAX_COST" is "20000"
      When metricd starts again
      And "<first>" asks for the metric "{id}"
      Then the answer is <status>
      When "<second>" asks for the metric "{id}"
      Then the answer is <other>

      Examples:
        | first | status | second | other |
        | huge  | 422    | small  | 200   |
        | small | 200    | huge   | 422   |

  # Who may read what is asked of a server: the embedded engine has no roles.
  @native
  Rule: What was not granted is not named

    Scenario: A column that is not granted is not suggested
      Given metricd is running
      And this SQL was run in the database
        """
        CREATE TABLE staff (id int, salary_in_cents int);
        GRANT SELECT (id) ON staff TO metricd_reader
        """
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT s.salary_in_cent AS n FROM staff s"}
        """
      Then the answer is 422
      And the body does not mention "salary_in_cents"
