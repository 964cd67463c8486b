Feature: Windows
  A caller's window means whole days, the last one included. Where a query would lose a part of it, or names its
  period twice, its author learns it.

  Rule: The last day is not lost silently

    Background:
      Given the clock says "2025-08-05T12:00:00Z"
      And metricd is running

    Scenario: A window is inclusive, and its default has 31 dates
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT :start_date AS first_day, :end_date AS last_day, :end_date - :start_date + 1 AS dates"}
        """
      Then its records are
        """
        [{"first_day": "2025-07-06", "last_day": "2025-08-05", "dates": 31}]
        """

    Scenario Outline: An author learns that the last day is lost: <condition>
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT count(*) AS n FROM metrics WHERE <condition>"}
        """
      Then the answer is 200
      And the body mentions '"severity":"warning"'
      And the body mentions "write `<instead>`"
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS n FROM metrics WHERE <condition>"}
        """
      Then the answer is 201
      And the body mentions '"severity":"warning"'
      And I remember its id as "id"
      When I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT count(*) AS records FROM metrics WHERE <condition>"}
        """
      Then the answer is 200
      And its query_version is 2
      And the body mentions "write `<instead>`"
      When I PATCH to "/metrics/{id}"
        """
        {"name": "Records"}
        """
      Then the answer is 200
      And its notes are []
      When I ask for "/metrics/{id}/query"
      Then the body mentions '"severity":"warning"'

      Examples:
        | condition                                                                   | instead                                              |
        | date <= :end_date                                                           | date < :end_date + 1                                 |
        | metrics.date < :end_date                                                    | metrics.date < :end_date + 1                         |
        | date BETWEEN :start_date AND :end_date                                      | date >= :start_date AND date < :end_date + 1         |
        | date AT TIME ZONE 'UTC' <= '2025-06-30'                                     | … < '2025-07-01'                                     |

    Scenario Outline: Whole days lose nothing: <condition>
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT count(*) AS n FROM metrics WHERE <condition>"}
        """
      Then the answer is 200
      And the body does not mention "warning"
      And the body does not mention "midnight"

      Examples:
        | condition                                                   |
        | date >= :start_date AND date < :end_date + 1                |
        | date::date BETWEEN :start_date AND :end_date                |
        | DATE(date) BETWEEN '2025-06-01' AND '2025-06-30'            |
        | date_trunc('week', date) <= :end_date                       |

  Rule: Reports

    Scenario: A query that loses the last day is a warning, which strict refuses
      Given an empty catalog
      And the file "metrics.json" is
        """
        {"items": [{"id": "11111111-1111-4111-8111-111111111111", "queryId": "a", "isEditable": true}, {"id": "22222222-2222-4222-8222-222222222222", "queryId": "b", "isEditable": true}], "layouts": {}}
        """
      And the file "queries.csv" is
        """
        id,query
        a,"SELECT count(*) AS n FROM metrics
        WHERE date BETWEEN :start_date AND :end_date"
        b,SELECT count(*) AS n FROM metrics WHERE DATE(date) BETWEEN :start_date AND :end_date
        """
      When I run "metricd validate --metrics metrics.json --queries queries.csv --format json"
      Then it succeeds
      And the report finds
        | severity | file        | place | message                                                 |
        | warning  | queries.csv | 2     | the SQL of `a`, line 2, column 36 (line 3 of the file)  |
      When I run "metricd validate --metrics metrics.json --queries queries.csv --strict --format json"
      Then it exits with 2
      When I run "metricd import --metrics metrics.json --queries queries.csv --strict --format json"
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message                                                       |
        | rejection | queries.csv | 2     | write `date >= :start_date AND date < :end_date + 1`          |
      When I run "metricd import --metrics metrics.json --queries queries.csv --format json"
      Then it succeeds
      And the report finds
        | severity | file        | place | message                                                        |
        | warning  | queries.csv | 2     | write `date >= :start_date AND date < :end_date + 1`           |

  Rule: Literals that move, and those that must not

    Background:
      Given the clock says "2025-06-30T20:30:00Z"
      And metricd is running

    Scenario: Days that are written as instants move with the window
      Given a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        WHERE date >= '2025-06-01T00:00:00.000Z'::timestamptz AND date <= '2025-06-30T23:59:59.999Z'::timestamptz
        """
      And the metric has the record
        """
        {"date": "2025-06-30T23:59:59"}
        """
      And the metric has the record
        """
        {"date": "2025-05-31T23:59:59"}
        """
      And the metric has the record
        """
        {"date": "2025-05-01T00:00:00"}
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]
      And its params.end_date is "2025-06-30"
      When I ask for the metric "{id}" from "2025-05-01" to "2025-05-31"
      Then its records are [{"n": 2}]

    Scenario Outline: A period that the query names twice stays: <query>
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT <query>"}
        """
      Then the answer is 201
      And the body mentions "names its period a second time"
      And the body mentions "<mention>"
      And the body mentions ":end_date - :start_date + 1"
      And I remember its id as "id"
      When I ask for the metric "{id}" with "day_range=7&start_date=2025-05-01&end_date=2025-05-31"
      Then the answer is 200
      And its params.ignored is ["start_date", "end_date", "day_range"]

      Examples:
        | query                                                                                                               | mention            |
        | round(sum(obsolescence)::numeric/30, 2) AS a FROM metrics WHERE date >= CURRENT_DATE - 30                           | the number 30      |
        | sum(obsolescence)/30 AS a FROM metrics WHERE date >= '2025-06-01' AND date < '2025-07-01'                           | the number 30      |
        | count(*) AS n FROM metrics WHERE date >= '2025-06-01' AND date < '2025-07-01' AND now() > date + interval '1 month' | '1 month'          |
        | count(*) AS n FROM generate_series(1, 3) AS g, metrics WHERE date >= '2025-04-01' AND date < '2025-07-01'           | the series up to 3 |
        | sum(obsolescence)/12 AS a FROM metrics WHERE date >= '2025-01-01' AND date < '2026-01-01'                           | the divisor 12     |

    Scenario Outline: A part of the calendar beside days back from today stays: <condition>
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS n FROM metrics WHERE <condition> AND date >= CURRENT_DATE - 30"}
        """
      Then the answer is 201
      And the body mentions "names its period a second time"
      And I remember its id as "id"
      When I ask for the metric "{id}" with "day_range=7"
      Then the answer is 200
      And its params.ignored is ["day_range"]

      Examples:
        | condition                                              |
        | extract(month FROM date) = 6                           |
        | to_char(date, 'YYYY-MM') = '2025-06'                   |
        | date_trunc('month', date) = date_trunc('month', now()) |

    Scenario: What only looks like a length of the period lets it move
      Given a metric with the query
        """
        SELECT count(*) / 1.0 AS n FROM metrics
        WHERE date >= '2025-04-01' AND date < '2025-07-01' AND obsolescence >= 3 LIMIT 3
        """
      When I ask for the metric "{id}" from "2025-05-01" to "2025-05-31"
      Then its params.start_date is "2025-05-01"
      And its params.end_date is "2025-05-31"
