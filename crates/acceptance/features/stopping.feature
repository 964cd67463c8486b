Feature: Stopping
  A server that is told to stop finishes what is under way, for as long as it may, and leaves nothing running.

  Background:
    # What the planner thinks is too expensive would not even start.
    Given the setting "METRICD_LIMITS__MAX_COST" is "4000000000"

  # On the embedded engine no other session sees what runs.
  @native
  Rule: Within the grace

    Scenario: A request that waits is answered
      Given metricd is running
      And this SQL was run in the database
        """
        CREATE TABLE locked (n int);
        INSERT INTO locked VALUES (7);
        GRANT SELECT ON locked TO metricd_reader
        """
      And a metric with the query
        """
        SELECT n FROM locked
        """
      And this SQL is run in a transaction that stays open
        """
        LOCK TABLE locked
        """
      When I ask for the metric "{id}" in the background
      Then in the database, "SELECT count(*) AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'" soon gives
        """
        [{"waiting": 1}]
        """
      When metricd is told to stop
      Then an INFO line soon says "Shutting down service"
      And metricd takes no more connections
      When the open transaction is committed
      Then what I asked in the background is answered 200
      And its records are [{"n": 7}]
      And metricd stops
      And no log line contains "breaking them off"

  @native
  Rule: After the grace

    Background:
      Given the setting "METRICD_SHUTDOWN__GRACE" is "1s"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
        """
      When I ask for the metric "{id}" in the background
      Then in the database, "SELECT count(*) AS running FROM pg_stat_activity WHERE application_name = 'metricd reader' AND state = 'active' AND query LIKE '%generate_series%' AND datname = current_database()" soon gives
        """
        [{"running": 1}]
        """

    Scenario: A request without an answer is told, and its query ends
      When metricd is told to stop
      Then what I asked in the background is answered 503
      And its type is "urn:metricd:problem:server-stopping"
      And the answer has the header "Retry-After"
      And metricd stops
      And one WARN line mentions "breaking them off"
      And in the database, "SELECT count(*) AS running FROM pg_stat_activity WHERE application_name = 'metricd reader' AND datname = current_database()" gives
        """
        [{"running": 0}]
        """

  Rule: A request that has begun

    Scenario: An upload beyond the grace is told
      Given the setting "METRICD_SHUTDOWN__GRACE" is "1s"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """
      When a client begins to upload records of the metric "{id}" and goes no further
      And metricd is told to stop
      Then the upload is answered 503
      And metricd stops
      And one WARN line mentions "breaking them off"

  Rule: A response that has begun

    Scenario: An export beyond the grace is broken off
      Given the setting "METRICD_SHUTDOWN__GRACE" is "1s"
      And metricd is running
      And a metric with the query
        """
        SELECT a, b FROM generate_series(1, 10000) a, generate_series(1, 10000) b
        """
      When I ask for the metric "{id}" as CSV in the background
      And metricd is told to stop
      Then what I asked in the background breaks off
      And metricd stops
