@native
Feature: A pooler before PostgreSQL
  PgBouncer, as Debian has it, and as little set as it works with.

  Scenario: By sessions, all works as on the server itself
    Given PgBouncer stands before the database, with "pool_mode = session, auth_type = trust"
    And metricd is running twice on one database
    And a metric with the query
      """
      SELECT obsolescence FROM metrics
      """
    When I ask for the metric "{id}"
    Then its records are []

    # Written by one, and noted by the other.
    When I switch to the other metricd
    And I POST to "/metrics/{id}/metric-records"
      """
      {"date": "2025-08-01", "obsolescence": 7.123456789012345}
      """
    Then the answer is 201
    When I switch to the other metricd
    Then the metric "{id}" soon has the records [{"obsolescence": 7.123456789012345}]

  # A query is tried when it is written, in a session that is given back as it was.
  Scenario: A session is the same after functions were called in it
    Given PgBouncer stands before the database, with "pool_mode = session, auth_type = trust"
    And metricd is running
    And a metric with the query
      """
      SELECT concat('gr', 'öße') AS word
      """
    When I ask for the metric "{id}"
    Then its records are [{"word": "größe"}]
    And in the database, "SELECT DISTINCT application_name FROM pg_stat_activity WHERE usename = 'metricd_reader' AND datname = current_database()" gives
      """
      [{"application_name": "metricd reader"}]
      """

  Scenario: It is rid of a query when its caller hangs up
    Given PgBouncer stands before the database, with "pool_mode = session, auth_type = trust"
    And the setting "METRICD_LIMITS__MAX_COST" is "4000000000"
    And metricd is running
    And a metric with the query
      """
      SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
      """
    Then the query of the metric "{id}" ends within a second of my disconnecting

  Scenario Outline: By <mode>s, it is refused with the reason
    Given PgBouncer stands before the database, with "pool_mode = <mode>, auth_type = trust, server_round_robin = <turns>"
    When I run "metricd migrate"
    Then it exits with 1
    And it says "pool_mode = session"
    And it does not say "postgres:postgres"

    Examples:
      | mode        | turns |
      | transaction | 0     |
      | transaction | 1     |

  Scenario: Roles sign in through it by the server's own secrets
    Given a PostgreSQL server "pg"
    And on the server "pg", "ALTER ROLE postgres PASSWORD 'postgres'" was run
    And PgBouncer stands before the server "pg", with "pool_mode = session, auth_type = scram-sha-256"
    When I run "metricd migrate"
    Then it succeeds
