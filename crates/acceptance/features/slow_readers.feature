Feature: Clients that do not read
  A client that does not take what it asked for is soon closed, and costs the others nothing.

  Background:
    Given the setting "METRICD_LIMITS__MAX_ROWS" is "50000"

  Rule: How long they are waited for

    Background:
      Given the setting "METRICD_HTTP__WRITE_TIMEOUT" is "5s"
      # Each connection to the database keeps what it needed for the largest answer.
      And the setting "METRICD_LIMITS__CONCURRENT_QUERIES" is "2"
      And metricd is running
      And a metric with the query
        """
        SELECT a * 1000 + b AS n, repeat('x', 200) AS filler FROM generate_series(1, 40) a, generate_series(1, 1000) b
        """
      When I ask for the metric "{id}"

    Scenario: Others are answered meanwhile, and the memory is given back
      Given I remember the memory of the server
      When 12 clients ask for the metric "{id}" anew and read nothing
      And I ask for "/health"
      Then the answer is 200
      When I ask for the metric "{id}"
      Then the answer is 200
      And the server has closed their connections
      And the server soon has at most 64 MiB more

    Scenario: An export that is not read ends
      When a client asks for the metric "{id}" as CSV and reads nothing
      Then the server has closed their connections
      When I ask for the metric "{id}" as CSV
      Then the answer is 200
      And the body has 40001 lines

    Scenario: A thousand requests in one write
      Given I remember the memory of the server
      When a client asks 1000 times at once for the metric "{id}" and reads nothing
      And I ask for the metric "{id}"
      Then the answer is 200
      And the server has closed their connections
      And the server soon has at most 64 MiB more

    Scenario: A connection that is half closed
      When a client asks for the metric "{id}", closes its side and reads nothing
      Then the server has closed their connections

    # All of it takes longer than the write timeout.
    Scenario: A client that reads slowly gets all of it
      Then a client that reads the metric "{id}" slowly gets at least 8000000 bytes

  Rule: How many there may be

    Background:
      Given the setting "METRICD_HTTP__WRITE_TIMEOUT" is "10m"

    Scenario: More connections than there may be
      Given the setting "METRICD_HTTP__MAX_CONNECTIONS" is "4"
      And metricd is running
      And a metric with the query
        """
        SELECT a * 1000 + b AS n, repeat('x', 200) AS filler FROM generate_series(1, 40) a, generate_series(1, 1000) b
        """
      When 4 clients ask for the metric "{id}" anew and read nothing
      And I ask for "/health"
      Then the answer is 200
      When I ask for "/metrics"
      Then the answer is 503
      And its type is "urn:metricd:problem:server-busy"
      And the answer has the header "Retry-After"
      And the answer's header "Connection" is "close"

    Scenario: More connections of one client than it may have
      Given the setting "METRICD_HTTP__MAX_CONNECTIONS_PER_CLIENT" is "2"
      And metricd is running
      And a metric with the query
        """
        SELECT a * 1000 + b AS n, repeat('x', 200) AS filler FROM generate_series(1, 40) a, generate_series(1, 1000) b
        """
      When metricd stops
      And metricd starts again
      And 2 clients ask for the metric "{id}" anew and read nothing
      And I ask for "/metrics"
      Then the answer is 429
      And its type is "about:blank"
      And the answer's header "Connection" is "close"

    Scenario: More requests of one caller than it may have at once
      Given the setting "METRICD_LIMITS__CONCURRENT_REQUESTS_PER_CALLER" is "2"
      And "ann" is a viewer
      And "bob" is a viewer
      And metricd is running
      And a metric with the query
        """
        SELECT a * 1000 + b AS n, repeat('x', 200) AS filler FROM generate_series(1, 40) a, generate_series(1, 1000) b
        """
      Given I am "ann"
      When 2 clients ask for the metric "{id}" anew and read nothing
      And I ask for "/metrics"
      Then the answer is 429
      And its type is "urn:metricd:problem:too-many-requests-at-once"
      And the answer has the header "Retry-After"
      And "bob" is answered 200 each of 3 times by "/metrics"

    Scenario: More bytes than may be sent at once
      Given the setting "METRICD_HTTP__MAX_BYTES_IN_FLIGHT" is "10000000"
      And metricd is running
      And a metric with the query
        """
        SELECT a * 1000 + b AS n, repeat('x', 200) AS filler FROM generate_series(1, 40) a, generate_series(1, 1000) b
        """
      When I ask for the metric "{id}"
      And 1 client asks for the metric "{id}" anew and reads nothing
      # The same bytes are sent to both.
      And I ask for the metric "{id}"
      Then the answer is 200
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 503
      And its type is "urn:metricd:problem:server-busy"
      And the answer has the header "Retry-After"
      When I ask for "/metrics"
      Then the answer is 200
