Feature: Creating metrics
  A metric is made of SQL, or of a sentence that becomes SQL. One that cannot be understood still
  becomes a metric, of its own raw records, and says so.

  Background:
    Given metricd is running

  Scenario: A metric of SQL
    When I POST to "/metrics"
      """
      {
        "is_editable": true,
        "layouts": [{"breakpoint": "lg", "x": 1, "y": 2, "w": 3, "h": 4, "static": true}],
        "query": "-- How many records\nSELECT count(*) AS n FROM metrics",
        "description": "Counts them",
        "tags": ["records", "size"]
      }
      """
    Then the answer is 201
    And the body is
      """
      {"id": "<uuid>"}
      """
    And I remember its id as "id"
    And the answer's header "Location" is "/metrics/{id}"
    And one INFO line says "Endpoint called" with
      | field     | value                        |
      | operation | create_metrics_configuration |
      | status    | 201                          |
    When I ask for the metric "{id}"
    Then the answer is 200
    And the body contains
      """
      {
        "id": "{id}",
        "name": "How many records",
        "description": "Counts them",
        "tags": ["records", "size"],
        "is_editable": true,
        "records": [{"n": 0}],
        "layouts": [{"breakpoint": "lg", "x": 1, "y": 2, "w": 3, "h": 4, "static": true}]
      }
      """

  Scenario: A sentence that means nothing becomes the metric of its own records
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "colourless green ideas sleep"}
      """
    Then the answer is 201
    And the body is
      """
      {
        "id": "<uuid>",
        "generation": {
          "source": "fallback", "grounded": false, "explanation": "<text>", "sql": "<text>",
          "attempts": 2
        }
      }
      """
    And I remember its id as "id"
    When I ask for the metric "{id}"
    Then the answer is 200
    And its records are []
    And its params.day_range is 30
    When I add to the metric "{id}" the record
      """
      {
        "obsolescence_val": 1.5, "obsolescence": 2.25, "parts_flagged": 3,
        "alert_type": "Critical", "alert_category": "Need approval"
      }
      """
    Then the answer is 201
    When I ask for the metric "{id}"
    Then its records are
      """
      [{
        "obsolescence_val": 1.5, "obsolescence": 2.25, "parts_flagged": 3,
        "alert_type": "Critical", "alert_category": "Need approval"
      }]
      """

  Scenario: The metric of raw records shows only its own, and none from before its days
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "gibberish"}
      """
    And the metric has the record
      """
      {"parts_flagged": 1, "date": "2025-08-01T00:00:00"}
      """
    And the metric has the record
      """
      {"parts_flagged": 2, "date": "2025-05-01T00:00:00"}
      """
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "gibberish"}
      """
    And the metric has the record
      """
      {"parts_flagged": 3, "date": "2025-08-01T00:00:00"}
      """
    When I ask for the metric "{id}"
    Then its records has 1 item
    And its records.0.parts_flagged is 3
    When I ask for the metric "{id}" with "day_range=365"
    Then its records has 1 item

  Scenario: With `strict`, a prompt that is not understood is an error
    When I POST to "/metrics"
      """
      {
        "is_editable": true, "layouts": [], "strict": true,
        "query_generation_prompt": "colourless green ideas sleep"
      }
      """
    Then the answer is 422
    And it is a problem: "not understood"
    And its type is "urn:metricd:problem:sentence-not-understood"
    When I ask for "/metrics"
    Then its items are []

  Scenario: Either SQL or a sentence
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1", "query_generation_prompt": "one"}
      """
    Then the answer is 422
    And it is a problem: "1 error"
    And its type is "urn:metricd:problem:invalid-request"
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": []}
      """
    Then the answer is 422
    When I ask for "/metrics"
    Then its items are []

  Scenario Outline: SQL that is none of a metric's is refused
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "<sql>"}
      """
    Then the answer is 422
    And its errors.0.loc is ["body", "query"]
    And its type is "urn:metricd:problem:invalid-sql"
    When I ask for "/metrics"
    Then its items are []

    Examples:
      | sql                                                                      |
      | SELEC 1                                                                  |
      |                                                                          |
      | SELECT 1; SELECT 2                                                       |
      | DELETE FROM metrics                                                      |
      | WITH gone AS (DELETE FROM metrics RETURNING id) SELECT count(*) FROM gone |
      | SELECT 1 AS x INTO t                                                     |
      | SELECT id FROM metrics FOR UPDATE                                        |
      | SELECT :nonsense                                                         |
      | SELECT rolpassword FROM pg_authid                                        |
      | SELECT sql FROM metricd.queries                                          |

  Scenario: What was made is still there after a restart
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    When metricd stops
    And metricd starts again
    And I ask for the metric "{id}"
    Then its records are [{"x": 1}]

  Rule: What is stored is run once

    Scenario: A query that the database cannot run is refused
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT"}
        """
      Then the answer is 422
      And the body mentions "the answer has no columns"

    Scenario: What PostgreSQL refuses is said with its place
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "select id,\n  sum(Obsolete) as n\nfrom metrics\nwhere date between :start_date and :end_date\ngroup by id"}
        """
      Then the answer is 422
      And its type is "urn:metricd:problem:invalid-sql"
      And the body mentions "line 2, column 7: the database rejected the query: column"

    Scenario: A query that fails on data is stored with a note
      Given a metric with the query
        """
        SELECT 1 / (count(*) - count(*)) AS boom FROM metrics
        """
      When I ask for "/metrics/{id}/query"
      Then the body mentions "it failed when it was tried: division by zero (SQLSTATE 22012)"

    # With 30 days, the default, the planner itself divides by zero.
    Scenario: A query that fails while it is planned is stored with a note, too, and answers for other windows
      Given a metric with the query
        """
        SELECT 100 / (:day_range - 30) AS x
        """
      When I ask for "/metrics/{id}/query"
      Then the body mentions "it failed when it was tried: division by zero (SQLSTATE 22012)"
      When I ask for the metric "{id}" with "day_range=40"
      Then its records are [{"x": 10}]
      When I ask for the metric "{id}"
      Then the answer is 422
      And its type is "urn:metricd:problem:query-failed"
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT 100 / (:day_range - 30) AS x"}
        """
      Then the answer is 422
      And its type is "urn:metricd:problem:query-failed"

    Scenario: Its author is told the values that PostgreSQL quotes, and they are not stored
      Given a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """
      And the metric has the record
        """
        {"alert_type": "4000"}
        """
      When the next request has the header "Idempotency-Key" "out-of-range"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT (alert_type || '000000')::int AS x FROM metrics"}
        """
      Then the answer is 201
      And the body mentions "it failed when it was tried: value"
      And the body mentions "4000000000"
      And the body mentions "is out of range for type integer (SQLSTATE 22003)"
      And I remember its id as "id"
      When the next request has the header "Idempotency-Key" "out-of-range"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT (alert_type || '000000')::int AS x FROM metrics"}
        """
      Then the answer's header "Idempotency-Replayed" is "true"
      And the body mentions "it failed when it was tried: value (SQLSTATE 22003)"
      And the body does not mention "4000000000"
      When I PATCH to "/metrics/{id}"
        """
        {"query": "SELECT (alert_type || '0000000')::int AS x FROM metrics"}
        """
      Then the answer is 200
      And the body mentions "40000000000"
      When I ask for "/metrics/{id}/query"
      Then the body mentions "it failed when it was tried: value (SQLSTATE 22003)"
      And the body does not mention "40000000000"
      When I ask for the metric "{id}"
      Then the answer is 422
      And it is a problem: "40000000000"

    # Nothing ends a query on the embedded engine: there it is not tried.
    @native
    Scenario: An expensive query is run for a short time
      Given a metric with the query
        """
        SELECT sum(1 / (a - 1)) AS boom FROM generate_series(1, 10000) a, generate_series(1, 10000) b
        """
      When I ask for "/metrics/{id}/query"
      Then the body mentions "it failed when it was tried: division by zero (SQLSTATE 22012)"

    @native
    Scenario: A query that takes too long is stored with a note
      Given a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 5) c
        """
      When I ask for "/metrics/{id}/query"
      Then the body mentions "it failed when it was tried: the query took too long"

    @native
    Scenario: A series of more rows than are allowed is said to have them
      Given this SQL was run in the database
        """
        CREATE TABLE ends (n int); INSERT INTO ends VALUES (20000); GRANT SELECT ON ends TO metricd_reader
        """
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS rows FROM ends, generate_series(1, ends.n)"}
        """
      Then the answer is 201
      And the body mentions "it failed when it was tried: generate_series() has too many rows (10000 are the most): it goes up to 20000"
      And I remember its id as "id"
      When I ask for "/metrics/{id}/query"
      Then the body mentions "it failed when it was tried: generate_series() has too many rows (SQLSTATE 22P02)"
      When I ask for the metric "{id}"
      Then the answer is 422
      And its type is "urn:metricd:problem:query-failed"
      And it is a problem: "it goes up to 20000 (SQLSTATE 22P02)"
