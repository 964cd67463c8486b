Feature: Asking for a metric
  A metric answers with the rows that its SQL gives for the window that was asked for. Asked for
  nothing, it answers what its author wrote.

  Background:
    Given the clock says "2025-08-05T12:00:00Z"

  Rule: The sample answers what its SQL says

    Background:
      Given the sample catalog
      And metricd is running

    Scenario: Cost avoided in the last 30 days
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then the answer is 200
      And the answer's header "Content-Type" contains "application/json"
      And the body contains
        """
        {
          "id": "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6",
          "name": "Total obsolescence cost avoided over the last 30 days",
          "is_editable": true,
          "records": [
            {"day": "2025-07-15", "cost_avoided": 80.25},
            {"day": "2025-08-01", "cost_avoided": 120.5}
          ],
          "columns": [
            {"name": "day", "type": "date"},
            {"name": "cost_avoided", "type": "float8"}
          ],
          "layouts": [
            {"breakpoint": "lg", "x": 0, "y": 20, "w": 5, "h": 4, "static": false},
            {"breakpoint": "md", "x": 0, "y": 10, "w": 1, "h": 4, "static": null}
          ],
          "params": {
            "start_date": null, "end_date": null, "day_range": 30, "timezone": "UTC", "ignored": []
          },
          "as_of": "2025-08-05T12:00:00.000Z",
          "truncated": false
        }
        """

    Scenario: Alerts by type in June
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then the answer is 200
      And its records, in any order, are
        """
        [
          {"alert_type": "Critical", "total_alerts": 1},
          {"alert_type": "Warning", "total_alerts": 2}
        ]
        """
      And its columns are
        """
        [{"name": "alert_type", "type": "text"}, {"name": "total_alerts", "type": "int8"}]
        """
      And its params are
        """
        {
          "start_date": "2025-06-01", "end_date": "2025-06-30",
          "day_range": null, "timezone": null, "ignored": []
        }
        """

    Scenario: Parts flagged in the last week
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380"
      Then the answer is 200
      And its records are
        """
        [{"total_flagged": 22, "avg_per_day": 7.33}]
        """
      And its columns are
        """
        [{"name": "total_flagged", "type": "int8"}, {"name": "avg_per_day", "type": "numeric"}]
        """
      And its params contain
        """
        {"day_range": 7, "timezone": "UTC"}
        """

    Scenario: Daily values
      When I ask for the metric "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c"
      Then the answer is 200
      And its records are
        """
        [
          {"day": "2025-06-02", "amount": 50},
          {"day": "2025-06-10", "amount": 70.5},
          {"day": "2025-06-25", "amount": 65}
        ]
        """

    Scenario: Daily counts, under the id that its layouts gave it
      When I ask for the metric "1379a764-2543-45fd-a78b-8c5a65827417"
      Then the answer is 200
      And its records are
        """
        [
          {"day": "2025-06-02", "need_approval_count": 1},
          {"day": "2025-06-10", "need_approval_count": 2},
          {"day": "2025-06-25", "need_approval_count": 1}
        ]
        """
      And its layouts.1.y is 9999999

    Scenario: A window of one's own
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" from "2025-06-04" to "2025-06-30"
      Then its records are
        """
        [{"alert_type": "Warning", "total_alerts": 1}]
        """
      And its params contain
        """
        {"start_date": "2025-06-04", "end_date": "2025-06-30"}
        """

    Scenario: The last day counts
      When I ask for the metric "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c" from "2025-06-10" to "2025-06-10"
      Then its records are
        """
        [{"day": "2025-06-10", "amount": 70.5}]
        """

    Scenario: A time of midnight may follow a date
      When I ask for the metric "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c" from "2025-06-10T00:00:00" to "2025-06-10T00:00:00"
      Then its records has 1 item
      And its params contain
        """
        {"start_date": "2025-06-10", "end_date": "2025-06-10"}
        """

    Scenario: No rows are an empty list
      When I ask for the metric "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c" from "2024-01-01" to "2024-01-02"
      Then the answer is 200
      And its records are []
      And its columns has 2 items

    Scenario Outline: Only one end is given
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" with "<given>"
      Then the answer is 200
      And its params.start_date is "<start>"
      And its params.end_date is "<end>"

      Examples:
        | given                 | start      | end        |
        | start_date=2025-06-10 | 2025-06-10 | 2025-06-30 |
        | end_date=2025-06-09   | 2025-06-01 | 2025-06-09 |
        | start_date=2025-07-15 | 2025-07-15 | 2025-08-05 |
        | start_date=2025-09-01 | 2025-09-01 | 2025-09-01 |
        | end_date=2025-05-01   | 2025-04-02 | 2025-05-01 |

    Scenario: The exact digits of a number
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380" with "day_range=4"
      Then its records are
        """
        [{"total_flagged": 10, "avg_per_day": 10.00}]
        """
      And its params.day_range is 4

    Scenario: Today depends on the time zone
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380" with "day_range=5"
      Then its records.0.total_flagged is 15
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380" with "day_range=5&timezone=Pacific/Kiritimati"
      Then its records.0.total_flagged is 10
      And its params.timezone is "Pacific/Kiritimati"

    Scenario: Parameters that a query has no place for are said to be ignored
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6" with "start_date=2025-01-01&end_date=2025-02-01"
      Then the answer is 200
      And its records has 2 items
      And its params.ignored is ["start_date", "end_date"]
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" with "day_range=3&timezone=Europe/Berlin"
      Then its records has 2 items
      And its params.ignored is ["day_range", "timezone"]

    Scenario: A trailing slash
      When I ask for "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6/"
      Then the answer is 200
      And its records has 2 items

    Scenario: The request is logged with what was asked, and without what was answered
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" from "2025-06-04" to "2025-06-30"
      Then one INFO line says "Endpoint called" with
        | field      | value                                |
        | operation  | get_metrics                          |
        | metric_id  | c797b618-df12-45f7-bbb2-cc6695a48e46 |
        | start_date | 2025-06-04                           |
        | end_date   | 2025-06-30                           |
        | status     | 200                                  |
        | actor      | <something>                          |
      And no log line contains "Warning"

    Scenario: All metrics, a page at a time
      When I ask for "/metrics"
      Then the answer is 200
      And its items has 5 items
      And its next_cursor is null
      And the body does not mention "records"
      And one INFO line says "Endpoint called" with operation "list_metrics"
      When I page through "/metrics?limit=2"
      Then I have seen 5 different metrics on 3 pages

    Scenario: Metrics are found by their words
      When I ask for "/metrics?q=PLOTTING"
      Then the answer is 200
      And its items contain
        """
        [{
          "id": "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c",
          "name": "Daily obsolescence values for plotting",
          "layouts": [
            {"breakpoint": "lg", "x": 0, "y": 10, "w": 5, "h": 10, "static": false},
            {"breakpoint": "md", "x": 0, "y": 34, "w": 1, "h": 10, "static": null}
          ]
        }]
        """
      When I ask for "/metrics?q=no%20such%20words"
      Then its items are []

    Scenario: A metric's SQL and what may vary in it
      When I ask for "/metrics/c797b618-df12-45f7-bbb2-cc6695a48e46/query"
      Then the answer is 200
      And the body mentions "-- Count of total alerts by type in June 2025"
      And the body contains
        """
        {
          "id": "cmcw3crxh0001poqkt5ctjjb0",
          "template": "<text>",
          "tables": ["metrics"],
          "slots": {
            "start_date": {"default": "2025-06-01"}, "end_date": {"default": "2025-06-30"},
            "day_range": null, "timezone": false, "clock": false
          }
        }
        """
      And its notes.0.slot is true
      And one INFO line says "Endpoint called" with operation "get_metric_query"

    Scenario: No such metric
      When I ask for the metric "00000000-0000-4000-8000-000000000000"
      Then the answer is 404
      And it is a problem: "Metric not found"
      And its type is "urn:metricd:problem:metric-not-found"
      And one INFO line says "Endpoint called" with
        | field     | value       |
        | operation | get_metrics |
        | status    | 404         |

  # The embedded database can be asked by metricd alone.
  @native
  Rule: PostgreSQL itself gives the same

    Scenario Outline: The query <query> as it was written
      Given the sample catalog
      And the clock is the machine's own
      And metricd is running
      When I add to the metric "<metric>" the record
        """
        {"obsolescence": 10.25, "parts_flagged": 3}
        """
      Then the answer is 201
      When I add to the metric "<metric>" the record
        """
        {"obsolescence": 0.1, "parts_flagged": 4}
        """
      Then the answer is 201
      When I ask for the metric "<metric>"
      Then the answer is 200
      And its records has some items
      And the records are what PostgreSQL gives for the query "<query>" of the file

      Examples:
        | metric                               | query                     |
        | def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6 | cmcw1zaxw0003p1qk1fo9ss8m |
        | c797b618-df12-45f7-bbb2-cc6695a48e46 | cmcw3crxh0001poqkt5ctjjb0 |
        | 073ac9db-c16e-4d04-9f25-6fc01d4ac380 | cmcw3etd80002poqk6era3ko9 |
        | 53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c | cmcxgnpq10001wpqk36vpzseb |
        | 1379a764-2543-45fd-a78b-8c5a65827417 | cmcxhohny0001ykqk3fnzs1qy |

  Rule: What an author may write

    Scenario: More rows than the limit are cut, and that is said
      Given the sample catalog
      And the setting "METRICD_LIMITS__MAX_ROWS" is "2"
      And metricd is running
      When I ask for the metric "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c"
      Then its truncated is true
      And its records are
        """
        [{"day": "2025-06-02", "amount": 50}, {"day": "2025-06-10", "amount": 70.5}]
        """
      When I ask for the metric "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c" from "2025-06-02" to "2025-06-10"
      Then its truncated is false

    Scenario: Numbers keep every digit
      Given metricd is running
      And a metric with the query
        """
        SELECT 9007199254740993::int8 AS big,
               12345678901234567890.123456789012345678::numeric AS exact,
               0.1::float8 + 0.2::float8 AS sum,
               1::numeric / 3 AS third,
               'NaN'::float8 AS nan,
               '-Infinity'::float8 AS least,
               timestamp '2025-06-01 10:30' AS at
        """
      When I ask for the metric "{id}"
      Then its records are
        """
        [{
          "big": 9007199254740993,
          "exact": 12345678901234567890.123456789012345678,
          "sum": 0.30000000000000004,
          "third": 0.33333333333333333333,
          "nan": "NaN",
          "least": "-Infinity",
          "at": "2025-06-01T10:30:00"
        }]
        """
      And its columns are
        """
        [
          {"name": "big", "type": "int8"},
          {"name": "exact", "type": "numeric"},
          {"name": "sum", "type": "float8"},
          {"name": "third", "type": "numeric"},
          {"name": "nan", "type": "float8"},
          {"name": "least", "type": "float8"},
          {"name": "at", "type": "timestamp"}
        ]
        """

    Scenario: Placeholders have defaults
      Given metricd is running
      And a metric with the query
        """
        SELECT :start_date AS first_day, :end_date AS last_day, :day_range AS days, :timezone AS zone
        """
      When I ask for the metric "{id}"
      Then its records are
        """
        [{"first_day": "2025-07-06", "last_day": "2025-08-05", "days": 30, "zone": "UTC"}]
        """
      When I ask for the metric "{id}" with "end_date=2025-06-30&day_range=9&timezone=Asia/Tokyo"
      Then its records are
        """
        [{"first_day": "2025-05-31", "last_day": "2025-06-30", "days": 9, "zone": "Asia/Tokyo"}]
        """
      And its params are
        """
        {
          "start_date": "2025-05-31", "end_date": "2025-06-30",
          "day_range": 9, "timezone": "Asia/Tokyo", "ignored": []
        }
        """

    Scenario: The end of a half-open range is the caller's last day
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        WHERE date >= '2025-06-01' AND date < '2025-07-01'
        """
      And the metric has the record
        """
        {"date": "2025-06-30T23:59:59"}
        """
      And the metric has the record
        """
        {"date": "2025-07-01T00:00:00"}
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]
      And its params.end_date is "2025-06-30"
      When I ask for the metric "{id}" with "end_date=2025-07-01"
      Then its records are [{"n": 2}]

    Scenario: Two different ranges stay as they were written
      Given metricd is running
      And a metric with the query
        """
        SELECT
          (SELECT count(*) FROM metrics WHERE DATE(date) BETWEEN '2025-06-01' AND '2025-06-30') AS june,
          (SELECT count(*) FROM metrics WHERE DATE(date) BETWEEN '2025-05-01' AND '2025-05-31') AS may
        """
      And the metric has the record
        """
        {"date": "2025-06-15T00:00:00"}
        """
      When I ask for the metric "{id}" with "start_date=2025-01-01&end_date=2025-01-31"
      Then its records are [{"june": 1, "may": 0}]
      And its params.ignored is ["start_date", "end_date"]

    Scenario: What looks like a placeholder in a text or a comment is none
      Given metricd is running
      And a metric with the query
        """
        SELECT ':start_date' AS a, 'x'::text AS b -- :nonsense
        """
      When I ask for the metric "{id}" with "start_date=2025-01-01"
      Then its records are [{"a": ":start_date", "b": "x"}]
      And its params.ignored is ["start_date"]

    Scenario: A query that fails when it runs
      Given metricd is running
      And a metric with the query
        """
        SELECT 1 / (count(*) - count(*)) AS boom FROM metrics
        """
      When I ask for the metric "{id}"
      Then the answer is 422
      And its type is "urn:metricd:problem:query-failed"
      And it is a problem: "The metric's query failed: division by zero (SQLSTATE 22012)"
      And one WARN line says "Query failed" with metric "{id}"
      And one INFO line says "Endpoint called" with status "422"
      Given "vic" is a viewer
      And I am "vic"
      When I ask for the metric "{id}"
      Then the answer is 422
      And it is a problem: "The metric's query failed on the data that it reads"
      And the body does not mention "division"

    Scenario: A query that fails at a value keeps the value to itself
      Given metricd is running
      And a metric with the query
        """
        SELECT alert_type::int AS n FROM metrics
        """
      And the metric has the record
        """
        {"alert_type": "Warning-4711"}
        """
      When I ask for the metric "{id}"
      Then the answer is 422
      And it is a problem: "Warning-4711"
      And one WARN line says "Query failed" with
        | field     | value       |
        | operation | get_metrics |
        | metric    | {id}        |
        | error     | <something> |
      And no log line contains "Warning-4711"
      Given "vic" is a viewer
      And I am "vic"
      When I ask for the metric "{id}"
      Then the answer is 422
      And it is a problem: "query failed"
      And its type is "urn:metricd:problem:query-failed"
      And the body does not mention "Warning-4711"
      And the body does not mention "alert_type"
      And the body does not mention "integer"
      And the body does not mention "syntax"
      And the body does not mention "SQL"
      And no log line contains "Warning-4711"

  Rule: What a query may hold

    Background:
      Given metricd is running

    Scenario Outline: PostgreSQL's own: <what>
      Given a metric with the query
        """
        <query>
        """
      When I ask for the metric "{id}"
      Then its records are [<record>]

      Examples:
        | what                   | query                                                                                                                                                                     | record                             |
        | a multirange           | SELECT '{[1,3),[5,7)}'::int4multirange AS m                                                                                                                               | {"m": "{[1,3),[5,7)}"}             |
        | a day and a time       | SELECT timestamptz('2025-06-01'::date, '10:00'::time) AS t                                                                                                                | {"t": "2025-06-01T10:00:00+00:00"} |
        | text search            | SELECT to_tsvector('english'::regconfig, 'Running dogs')::text AS v                                                                                                       | {"v": "'dog':2 'run':1"}           |
        | a series over data     | SELECT count(*) AS n FROM generate_series((SELECT min(d) FROM (VALUES (date '2025-06-01')) v (d)), (SELECT max(d) FROM (VALUES (date '2025-06-04')) v (d)), '1 day') AS d | {"n": 4}                           |
        | sixty numbers in a row | SELECT 1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1+1 AS n                                       | {"n": 60}                          |

    # PostgreSQL has it from version 17 on.
    @embedded
    Scenario: JSON as a table
      Given a metric with the query
        """
        SELECT jt.a, JSON_VALUE('{"b": 2}'::jsonb, '$.b' RETURNING int) AS b
        FROM JSON_TABLE('[{"a": 1}]'::jsonb, '$[*]' COLUMNS (a int PATH '$.a')) AS jt
        """
      When I ask for the metric "{id}"
      Then its records are [{"a": 1, "b": 2}]

    # The embedded database can be asked by metricd alone.
    @native
    Scenario: A column may be called like a function that is refused
      Given this SQL was run in the database
        """
        CREATE TABLE movies (pg_rating text);
        INSERT INTO movies VALUES ('PG'), ('PG');
        GRANT SELECT ON movies TO metricd_reader
        """
      And a metric with the query
        """
        SELECT m.pg_rating, count(*) AS n FROM movies m GROUP BY 1
        """
      When I ask for the metric "{id}"
      Then its records are [{"pg_rating": "PG", "n": 2}]
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT (m).pg_rating, count(*) AS n FROM movies m GROUP BY 1"}
        """
      Then its records are [{"pg_rating": "PG", "n": 2}]
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT DISTINCT q.pg_rating FROM (SELECT * FROM movies, generate_series(1, 2) AS g) q"}
        """
      Then its records are [{"pg_rating": "PG"}]
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT (m).pg_sleep AS a FROM movies m"}
        """
      Then the answer is 422
