Feature: All rows as CSV
  A client that prefers CSV gets every row of a metric's window, however many, with the values as
  PostgreSQL writes them. An incomplete export never looks complete.

  Rule: What is in the file

    Background:
      Given metricd is running

    Scenario: Values to the last digit, quoted where they must be
      Given I have made the metric
        """
        {
          "is_editable": true, "layouts": [], "name": "Größe, net",
          "query": "SELECT 12345678901234567890.50 AS \"a,b\", 'NaN'::float8 AS f, NULL::text AS nothing, '' AS empty, 'say \"hi\", \\twice' || chr(10) AS words, '(x)' AS p, DATE '2025-06-01' AS day, TIMESTAMP '2025-06-01 10:30:00' AS at"
        }
        """
      When I ask for the metric "{id}" as CSV
      Then the answer is 200
      And the answer's header "Content-Type" is "text/csv; charset=utf-8; header=present"
      And the answer's header "Content-Disposition" contains "attachment; filename="
      And the answer's header "Content-Disposition" contains "filename*=UTF-8''Gr%C3%B6%C3%9Fe%2C%20net.csv"
      And the answer's header "Cache-Status" is "metricd; fwd=bypass"
      And the answer's header "Cache-Control" is "private, no-cache"
      And the answer's header "Vary" is "Authorization, Accept, Accept-Encoding"
      And the answer has no header "ETag"
      And the body is the CSV
        """
        "a,b",f,nothing,empty,words,p,day,at
        12345678901234567890.50,NaN,,"","say ""hi"", \twice⏎","(x)",2025-06-01,"2025-06-01 10:30:00"
        """

    Scenario: No rows are a line of names
      Given a metric with the query
        """
        SELECT date AS day, parts_flagged FROM metrics
        """
      When I ask for the metric "{id}" as CSV
      Then the answer is 200
      And the body is the CSV
        """
        day,parts_flagged
        """

    Scenario: The window counts, and nothing is from memory
      Given a metric with the query
        """
        SELECT parts_flagged AS n FROM metrics WHERE date >= :start_date AND date < :end_date ORDER BY date
        """
      And the metric has the record
        """
        {"parts_flagged": 1, "date": "2025-06-03"}
        """
      And the metric has the record
        """
        {"parts_flagged": 2, "date": "2025-07-03"}
        """
      When I ask for the metric "{id}?start_date=2025-07-01&end_date=2025-07-31" as CSV
      Then the body is the CSV
        """
        n
        2
        """
      Given the metric has the record
        """
        {"parts_flagged": 3, "date": "2025-07-04"}
        """
      When I ask for the metric "{id}?start_date=2025-07-01&end_date=2025-07-31" as CSV
      Then the body is the CSV
        """
        n
        2
        3
        """
      When I ask for the metric "{id}?start_date=soon" as CSV
      Then the answer is 422
      And its errors.0.loc is ["query", "start_date"]

    Scenario Outline: "<accept>" gets <kind>
      Given a metric with the query
        """
        SELECT 1 AS x
        """
      And the next request has the header "Accept" "<accept>"
      When I ask for the metric "{id}"
      Then the answer is 200
      And the answer's header "Content-Type" contains "<kind>"

      Examples:
        | accept                                  | kind             |
        | text/csv                                | text/csv         |
        | text/csv, application/json;q=0.9        | text/csv         |
        | application/json, text/csv              | application/json |
        | text/csv, */*                           | application/json |
        | text/html, */*;q=0.8                    | application/json |
        | text/csv;q=0.5, application/json;q=0.4  | text/csv         |

  Rule: As many rows as there are

    Scenario: Neither the rows nor the bytes of an answer are a limit
      Given the setting "METRICD_LIMITS__MAX_ROWS" is "2"
      And the setting "METRICD_LIMITS__MAX_RESULT_BYTES" is "1024"
      And metricd is running
      And a metric with the query
        """
        SELECT n FROM generate_series(1, 9999) n
        """
      When I ask for the metric "{id}"
      Then its truncated is true
      When I ask for the metric "{id}" as CSV
      Then the answer is 200
      And the body has 10000 lines
      # The database is free for the next one.
      When I ask for the metric "{id}" as CSV
      Then the body has 10000 lines

    Scenario: Packed on its way, as its caller likes it
      Given metricd is running
      And a metric with the query
        """
        SELECT n FROM generate_series(1, 9999) n
        """
      And the next request has the header "Accept-Encoding" "gzip"
      When I ask for the metric "{id}" as CSV
      Then the answer's header "Content-Encoding" is "gzip"

    Scenario: What goes wrong before the first row is a problem
      Given metricd is running
      And a metric with the query
        """
        SELECT 1 / (1 - n) AS x FROM generate_series(1, 10) n
        """
      When I ask for the metric "{id}" as CSV
      Then the answer is 422
      And it is a problem: "The metric's query failed: division by zero"

    # NGINX may see the end before it has passed on the beginning: then its answer is 502.
    @direct
    Scenario: What goes wrong later breaks the answer off
      Given metricd is running
      And a metric with the query
        """
        SELECT 1 / (5000 - n) AS x FROM generate_series(1, 9999) n
        """
      Then the metric "{id}" as CSV breaks off
      And one WARN line says "Export broken off" with
        | field     | value       |
        | operation | get_metrics |
      # The database is free for the next one.
      Given a metric with the query
        """
        SELECT 1 AS x
        """
      When I ask for the metric "{id}" as CSV
      Then the answer is 200

    @direct
    Scenario: A row that is too large breaks it off
      Given the setting "METRICD_LIMITS__MAX_RESULT_BYTES" is "1024"
      And metricd is running
      And a metric with the query
        """
        SELECT CASE WHEN n < 9 THEN 'x' ELSE rpad('x', 2000, 'x') END AS x FROM generate_series(1, 10) n
        """
      Then the metric "{id}" as CSV breaks off

  Rule: No export holds the database for long

    Background:
      Given the setting "METRICD_LIMITS__MAX_COST" is "4000000000"

    # The embedded engine has one connection: the next one would wait for it.
    @native
    Scenario: A client that disconnects cancels the query
      Given metricd is running
      And a metric with the query
        """
        SELECT a.n AS n FROM generate_series(1, 10000) a(n), generate_series(1, 10000) b(n)
        """
      When I ask for the metric "{id}" as CSV in the background
      Then in the database, "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'metricd reader' AND query LIKE 'FETCH%' AND xact_start IS NOT NULL AND datname = current_database()" soon gives
        """
        [{"n": 1}]
        """
      When I disconnect
      Then in the database, "SELECT count(*) AS n FROM pg_stat_activity WHERE application_name = 'metricd reader' AND query LIKE 'FETCH%' AND xact_start IS NOT NULL AND datname = current_database()" soon gives
        """
        [{"n": 0}]
        """

    Scenario: There is a time for all of it
      Given the setting "METRICD_LIMITS__EXPORT_TIMEOUT" is "2s"
      And metricd is running
      And a metric with the query
        """
        SELECT a.n AS n FROM generate_series(1, 10000) a(n), generate_series(1, 10000) b(n)
        """
      Then the metric "{id}" as CSV breaks off

  Rule: The same rights as for an answer

    Background:
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "custom:tenant_id"
      And "ann" is a viewer with the claim "custom:tenant_id" "acme"
      And "bob" is a viewer with the claim "custom:tenant_id" "globex"
      And "eve" is a viewer
      And metricd is running
      And a metric with the query
        """
        SELECT parts_flagged AS n FROM metrics WHERE alert_type = :claim_tenant_id
        """
      And the metric has the record
        """
        {"alert_type": "acme", "parts_flagged": 1}
        """
      And the metric has the record
        """
        {"alert_type": "globex", "parts_flagged": 2}
        """

    Scenario: Each tenant gets its own rows, and other callers none
      Given the next request has the header "Accept" "text/csv"
      When "ann" asks for the metric "{id}"
      Then the body is the CSV
        """
        n
        1
        """
      Given the next request has the header "Accept" "text/csv"
      When "bob" asks for the metric "{id}"
      Then the body is the CSV
        """
        n
        2
        """
      Given the next request has the header "Accept" "text/csv"
      When "eve" asks for the metric "{id}"
      Then the answer is 403
      Given the next request has the header "Accept" "text/csv"
      When "ann" asks for the metric "00000000-0000-4000-8000-000000000000"
      Then the answer is 404
