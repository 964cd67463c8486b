Feature: Versions
  Every edit of a query keeps the text that it replaces, for those who may see it, and there is a way
  back.

  Background:
    Given the clock says "2025-06-02T10:00:00Z"
    And metricd is running

  Scenario: What a query was, and who replaced it
    Given "ann" is an editor
    And I am "ann"
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    When I ask for "/metrics/{id}/versions"
    Then the answer is 200
    And the body is
      """
      {"current": {"version": 1, "sql": "SELECT 1 AS x", "review": "not_needed"}, "items": [], "next_cursor": null}
      """
    When I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 2 AS x"}
      """
    And I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 3 AS x", "name": "Three"}
      """
    And I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 3 AS x", "name": "Drei"}
      """
    Then the answer is 200
    And its query_version is 3
    When I ask for "/metrics/{id}/versions"
    Then the body contains
      """
      {
        "current": {"version": 3, "sql": "SELECT 3 AS x"},
        "items": [
          {"version": 2, "sql": "SELECT 2 AS x", "replaced_at": "2025-06-02T10:00:00.000Z", "replaced_by": "ann"},
          {"version": 1, "sql": "SELECT 1 AS x", "replaced_at": "2025-06-02T10:00:00.000Z", "replaced_by": "ann"}
        ]
      }
      """
    When I ask for "/metrics/{id}/versions?limit=1"
    Then its items contain
      """
      [{"version": 2}]
      """
    And its next_cursor is "2"
    When I ask for "/metrics/{id}/versions?limit=1&cursor=2"
    Then its items contain
      """
      [{"version": 1}]
      """
    And its next_cursor is null

  Scenario: The way back is a change like any other
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    When I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 2 AS y"}
      """
    And I POST to "/metrics/{id}/rollback"
      """
      {"version": 1}
      """
    Then the answer is 200
    And its query_version is 3
    And one INFO line says "Endpoint called" with operation "rollback_metric"
    When I ask for the metric "{id}"
    Then the body contains
      """
      {"records": [{"x": 1}], "columns": [{"name": "x", "type": "int4"}]}
      """
    When I ask for "/metrics/{id}/versions"
    Then the body contains
      """
      {
        "current": {"version": 3, "sql": "SELECT 1 AS x"},
        "items": [{"version": 2, "sql": "SELECT 2 AS y"}, {"version": 1, "sql": "SELECT 1 AS x"}]
      }
      """

  Scenario: Back to where one is already
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    When I POST to "/metrics/{id}/rollback"
      """
      {"version": 1}
      """
    Then the answer is 200
    And its query_version is 1

  Scenario Outline: There is no way back to <where>
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    When I POST to "/metrics/{id}/rollback"
      """
      <body>
      """
    Then the answer is 422
    And its errors.0.loc is ["body", "version"]
    And its errors.0.type is "<type>"

    Examples:
      | where             | body             | type          |
      | a later version   | {"version": 2}   | unknown       |
      | before the first  | {"version": 0}   | out_of_range  |
      | no number         | {"version": "1"} | int_type      |
      | nowhere           | {}               | missing       |

  # Only on a server can another client drop a table meanwhile.
  @native
  Scenario: A table that is gone stands in the way back
    Given this SQL was run in the database
      """
      CREATE TABLE orders (n int);
      GRANT SELECT ON orders TO metricd_reader
      """
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT count(*) AS orders FROM orders"}
      """
    When I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 2 AS y"}
      """
    Then the answer is 200
    Given this SQL was run in the database
      """
      DROP TABLE orders
      """
    When I POST to "/metrics/{id}/rollback"
      """
      {"version": 1}
      """
    Then the answer is 422
    And the body mentions "orders"
    When I ask for the metric "{id}"
    Then its records are [{"y": 2}]

  Scenario: Versions show SQL
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    And I am a viewer
    When I ask for "/metrics/{id}/versions"
    Then the answer is 403
    When I POST to "/metrics/{id}/rollback"
      """
      {"version": 1}
      """
    Then the answer is 403
