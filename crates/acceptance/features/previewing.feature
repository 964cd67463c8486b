Feature: Previewing
  A metric can be previewed before it is created.

  Scenario: SQL that is tried
    Given metricd is running
    When I POST to "/metrics/preview"
      """
      {"query": "SELECT n, n * 0.1 AS tenth FROM generate_series(1, 30) AS n ORDER BY n"}
      """
    Then the answer is 200
    And its records has 20 items
    And the body contains
      """
      {
        "columns": [{"name": "n", "type": "int4"}, {"name": "tenth", "type": "numeric"}],
        "truncated": true,
        "params": {"start_date": null, "end_date": null, "day_range": null, "timezone": null, "ignored": []}
      }
      """
    When I ask for "/metrics"
    Then its items are []

  Scenario: A window of its own defaults
    Given the clock says "2025-08-05T12:00:00Z"
    And metricd is running
    When I POST to "/metrics/preview"
      """
      {"query": "SELECT count(*) AS n FROM metrics WHERE date >= :start_date AND date < :end_date + 1"}
      """
    Then the body contains
      """
      {"records": [{"n": 0}], "params": {"start_date": "2025-07-06", "end_date": "2025-08-05"}}
      """

  Scenario: A sentence that is tried
    Given metricd is running
    When I POST to "/metrics/preview"
      """
      {"query_generation_prompt": "qwertz asdfgh"}
      """
    Then the answer is 200
    And its generation.grounded is false
    And its generation.source is "fallback"
    And its records are []
    And the body mentions "FROM metrics"
    When I POST to "/metrics/preview"
      """
      {"query_generation_prompt": "qwertz asdfgh", "strict": true}
      """
    Then the answer is 422
    And its errors.0.type is "ungrounded"
    When I ask for "/metrics"
    Then its items are []

  Scenario Outline: What is wrong with it is said: <fault>
    Given metricd is running
    When I POST to "/metrics/preview"
      """
      <body>
      """
    Then the answer is 422
    And the body mentions "<words>"

    Examples:
      | fault              | body                                      | words                 |
      | nothing            | {}                                        | query_generation_prompt |
      | both               | {"query": "SELECT 1 AS x", "query_generation_prompt": "one"} | together |
      | no SELECT          | {"query": "DROP TABLE metrics"}           | must be a SELECT      |
      | an unnamed column  | {"query": "SELECT 1 AS x, 2"}             | column 2              |
      | two of a name      | {"query": "SELECT 1 AS x, 2 AS x"}        | AS                    |
      | an unknown column  | {"query": "SELECT nothing FROM metrics"}  | nothing               |

  Scenario: SQL that fails when it runs
    Given metricd is running
    When I POST to "/metrics/preview"
      """
      {"query": "SELECT 1 / count(*) AS x FROM metrics"}
      """
    Then the answer is 422
    And its type is "urn:metricd:problem:query-failed"
    And the body mentions "division by zero"
    And no ERROR line is logged
    When I POST to "/metrics/preview"
      """
      {"query": "SELECT (count(*)::text || '}')::json->>'a' AS x FROM metrics"}
      """
    Then its type is "urn:metricd:problem:query-failed"
    And the body mentions "invalid input syntax for type json (SQLSTATE 22P02; "

  Scenario: It asks for a claim that I have not got
    Given the setting "METRICD_CLAIMS__TENANT_ID" is "tenant"
    And metricd is running
    When I POST to "/metrics/preview"
      """
      {"query": "SELECT :claim_tenant_id AS tenant"}
      """
    Then the answer is 403

  # The planner's units are the same everywhere; what it thinks of a table depends on the table.
  Scenario: What is too expensive is not made, and not run
    Given the setting "METRICD_LIMITS__MAX_COST" is "1000"
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS n FROM generate_series(1, 1000) a, generate_series(1, 1000) b"}
      """
    Then the answer is 422
    And the body mentions "too expensive"
    And its errors.0.loc is ["body", "query"]

  Scenario: A metric that is too expensive is not created, whatever the claim
    Given the setting "METRICD_LIMITS__MAX_COST" is "1000"
    And the setting "METRICD_CLAIMS__TENANT_ID" is "tenant"
    And metricd is running
    When I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS n FROM generate_series(1, 1000) a, generate_series(1, 1000) b WHERE (a + b)::text = :claim_tenant_id"}
      """
    Then the answer is 422
    And the body mentions "too expensive"
    And its errors.0.loc is ["body", "query"]

  Scenario: A window is not to blame for what has none
    Given metricd is running
    And a metric with the query
      """
      SELECT count(*) AS n FROM generate_series(1, 1000) a, generate_series(1, 1000) b WHERE a < :day_range
      """
    When metricd stops
    Given the setting "METRICD_LIMITS__MAX_COST" is "1000"
    When metricd starts again
    And I ask for the metric "{id}"
    Then the answer is 422
    And it is a problem: "too expensive"
    And its type is "urn:metricd:problem:query-too-expensive"
    And its hint is "Ask for fewer days."

  Scenario: What has become too expensive is not run
    Given metricd is running
    And a metric with the query
      """
      SELECT count(*) AS n FROM generate_series(1, 1000) a, generate_series(1, 1000) b
      """
    When metricd stops
    Given the setting "METRICD_LIMITS__MAX_COST" is "1000"
    When metricd starts again
    And I ask for the metric "{id}"
    Then the answer is 422
    And it is a problem: "too expensive"
    And the body does not mention "days"
    And one WARN line says "Query too expensive"
