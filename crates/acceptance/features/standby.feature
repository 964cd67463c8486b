@native
Feature: A hot standby for the reader
  Stored SQL is read from a standby, and writes go to its primary. No answer claims to be newer than what the standby
  has, and none that may lack a known change is kept.

  Background:
    Given a PostgreSQL server "primary"
    And on the server "primary", "CREATE ROLE reading LOGIN NOINHERIT; CREATE TABLE orders (n int); GRANT SELECT ON orders TO reading" was run
    And the setting "DATABASE_URL" is "postgres://postgres@{primary}"
    And I run "metricd migrate"
    And I run "metricd watch orders"
    And on the server "primary", "GRANT SELECT ON metrics TO reading" was run
    And a hot standby "standby" of the server "primary"
    And the setting "READER_DATABASE_URL" is "postgres://reading@{standby}"
    And metricd is running
    And a metric with the query
      """
      SELECT n FROM orders
      """

  Scenario: An answer has what the primary has, or says how old it is
    When on the server "primary", "INSERT INTO orders VALUES (1)" is run
    Then the metric "{id}" soon has the records [{"n": 1}]
    When I ask for the metric "{id}" until "Cache-Status" contains "hit"
    Then its records are [{"n": 1}]
    And its as_of is "2025-08-05T12:00:00.000Z"

    # The change is known, and the standby has not got it.
    When the standby "standby" replays nothing more
    And on the server "primary", "INSERT INTO orders VALUES (2)" is run
    And I ask for the metric "{id}" until "Cache-Status" contains "fwd"
    Then its records are [{"n": 1}]
    And the answer is of an instant before "2025-08-05T12:00:00.000Z"
    When I ask for the metric "{id}"
    Then the answer's header "Cache-Status" contains "fwd"

    When the standby "standby" replays again
    Then the metric "{id}" soon has the records [{"n": 1}, {"n": 2}]
    When I ask for the metric "{id}" until "Cache-Status" contains "hit"
    Then its records are [{"n": 1}, {"n": 2}]
    And its as_of is "2025-08-05T12:00:00.000Z"

  Scenario: What is committed after a later transaction is not taken for seen
    When on the server "primary", "INSERT INTO orders VALUES (1)" is run in a transaction that stays open
    And on the server "primary", "CREATE TABLE later ()" is run
    And I ask for the metric "{id}" until "Cache-Status" contains "hit"
    Then its records are []
    When the open transaction of the server is committed
    Then the metric "{id}" soon has the records [{"n": 1}]
