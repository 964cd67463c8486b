# A server is watched by others.
@embedded
Feature: The embedded engine
  It runs in a process of its own. Whatever happens to that, metricd goes on, and loses nothing that it has
  acknowledged.

  Rule: It ends with metricd

    Background:
      Given metricd trusts some issuer
      And metricd is running
      And I remember the process of the embedded engine

    Scenario: metricd stops
      When metricd stops
      Then the process of the embedded engine is gone
      And no WARN line is logged

    Scenario: metricd is killed
      When metricd is killed
      And metricd starts again
      Then the process of the embedded engine is gone
      When I ask for "/health"
      Then its database is true

  Rule: It is watched

    Scenario: It is killed
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """
      And I remember the process of the embedded engine
      When the embedded engine is killed
      And I ask for the metric "{id}" until the answer is 200
      Then its records are [{"n": 0}]
      And the process of the embedded engine is gone
      And one WARN line mentions "its process ended (signal: 9 (SIGKILL))"
      And one INFO line says "Embedded PostgreSQL was started again" with
        | field | value       |
        | pid   | <something> |

    Scenario: It does not answer any more
      Given metricd is running
      When the embedded engine is frozen
      And I ask for "/health" until the answer is 503
      Then its database is false
      And its application is true
      When I ask for "/health" until the answer is 200
      Then its database is true
      And one WARN line says "Embedded PostgreSQL does not answer" with
        | field | value       |
        | pid   | <something> |
      And one WARN line says "Embedded PostgreSQL is lost and is started again" with reason "it does not answer"

    Scenario: It is killed again and again while records are added
      Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "0"
      And the setting "METRICD_CACHE__TTL" is "0s"
      And metricd is running
      And a metric with the query
        """
        SELECT parts_flagged AS n, count(*) AS times FROM metrics GROUP BY 1
        """
      When the embedded engine is killed 10 times while records are added to the metric "{id}"
      Then the metric "{id}" has every record that was acknowledged, and none twice

  Rule: A query may not keep it for longer than its time

    Background:
      # What the planner thinks is too expensive would not even start.
      Given the setting "METRICD_LIMITS__MAX_COST" is "4000000000"
      And the setting "METRICD_LIMITS__QUERY_TIMEOUT" is "1s"
      And metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And I remember its id as "quick"
      And a metric with the query
        """
        SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c
        """

    Scenario: Others are answered soon
      When I ask for the metric "{id}"
      Then the answer is 504
      When I ask for the metric "{quick}" until the answer is 200
      Then its records are [{"x": 1}]
      And one WARN line says "Embedded PostgreSQL is lost and is started again" with reason "it took longer than it may"

    Scenario: A query that has ended it three times is refused
      When I ask for the metric "{id}" until the answer is 424
      Then it is a problem: "it took longer than it may"
      And its type is "urn:metricd:problem:metric-broken"
      When I POST to "/metrics/preview"
        """
        {"query": "SELECT count(*) AS n FROM generate_series(1, 10000) a, generate_series(1, 10000) b, generate_series(1, 20) c"}
        """
      Then the faults are
        | place      | type | message                                |
        | body.query | sql  | has ended the embedded PostgreSQL 3 times |
      When I ask for the metric "{quick}" until the answer is 200
      Then its records are [{"x": 1}]

  Rule: Its folder is metricd's own

    Scenario Outline: A folder that others may write is refused by <command>
      Given a database that metricd has never seen
      And I run "metricd migrate"
      And its group may write the folder "data"
      When I run "metricd <command>"
      Then it fails
      And it says "chmod go-w"

      Examples:
        | command                    |
        | migrate                    |
        | serve --listen 127.0.0.1:0 |
        | token --role viewer        |

    Scenario: A path too long for a socket
      When I run "metricd migrate --data-dir a-folder-with-a-name-that-is-much-too-long-for-a-socket/in-a-folder-with-another-long-name"
      Then it fails
      And it says "too long for a Unix socket"
      And it says "--data-dir"
