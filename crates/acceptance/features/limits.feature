Feature: Limits
  A query that exceeds its deadline fails for its own caller, and delays other callers only shortly.

  Background:
    # What the planner thinks is too expensive would not even start.
    Given the setting "METRICD_LIMITS__MAX_COST" is "4000000000"

  Rule: A query that takes too long

    # The metric is made before the limit is tight: a busy machine may take its time for that.
    Scenario Outline: The <limit> has a limit
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
        """
      When metricd stops
      Given the setting "<setting>" is "2s"
      And the setting "METRICD_LIMITS__QUERY_TIMEOUT" is "2s"
      And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "2s"
      When metricd starts again
      And I ask for the metric "{id}"
      Then the answer is 504
      And it is a problem: "too long"
      And the body does not mention "generate_series"
      And the answer has the header "RateLimit"
      And one INFO line says "Endpoint called" with
        | field     | value       |
        | operation | get_metrics |
        | status    | 504         |

      Examples:
        | limit   | setting                         |
        | query   | METRICD_LIMITS__QUERY_TIMEOUT   |
        | request | METRICD_LIMITS__REQUEST_TIMEOUT |

    # The embedded engine can neither cancel a query nor be asked from outside what runs.
    @native
    Scenario Outline: A server is rid of the query when the <limit> has lasted too long
      Given metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And I remember its id as "quick"
      And a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
        """
      When metricd stops
      Given the setting "<setting>" is "2s"
      And the setting "METRICD_LIMITS__QUERY_TIMEOUT" is "2s"
      And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "2s"
      And the setting "METRICD_DATABASE__MAX_CONNECTIONS" is "1"
      When metricd starts again
      And I ask for the metric "{id}"
      Then the answer is 504
      And in the database, "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND pid <> pg_backend_pid()" soon gives
        """
        []
        """
      When I ask for the metric "{quick}" until the answer is 200
      Then its records are [{"x": 1}]
      # The server's own timeout is two seconds later than the query's.
      And the query of the metric "{id}" ends within a second of the answer 504

      Examples:
        | limit   | setting                         |
        | query   | METRICD_LIMITS__QUERY_TIMEOUT   |
        | request | METRICD_LIMITS__REQUEST_TIMEOUT |

    # No timeout comes near.
    @native
    Scenario: A server is rid of the query when its caller hangs up
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
        """
      Then the query of the metric "{id}" ends within a second of my disconnecting

  Rule: More requests than the database can take

    @native
    Scenario: Many who ask for one metric at once take one place in the queue
      Given the setting "METRICD_LIMITS__CONCURRENT_QUERIES" is "1"
      And the setting "METRICD_LIMITS__QUEUED_QUERIES" is "10"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """
      When metricd stops
      And metricd starts again
      And 200 clients at once ask for the metric "{id}"
      Then each of the 200 answers is 200

    Scenario: A request that is queued for too long gets Retry-After, and the service stays healthy
      Given metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And I remember its id as "quick"
      And a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
        """
      When metricd stops
      Given the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "5s"
      And the setting "METRICD_DATABASE__MAX_CONNECTIONS" is "1"
      And the setting "METRICD_CACHE__TTL" is "0s"
      When metricd starts again
      And I ask for the metric "{id}" in the background
      And I ask for the metric "{quick}" until the answer is 503
      Then it is a problem: "busy"
      And the answer has the header "Retry-After"
      And what I asked in the background has no answer yet
      When I ask for "/health" until the answer is 200
      Then its database is true
      And what I asked in the background has no answer yet
