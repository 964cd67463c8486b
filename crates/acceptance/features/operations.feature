Feature: Operations
  What operators of metricd can rely on.

  Rule: While it runs

    Background:
      Given metricd is running

    Scenario: A request id of the caller's is kept
      Given the next request has the header "X-Request-Id" "0b0f4f5e-2c52-4a8e-9d8e-3f2f8b0f7f11"
      When I ask for "/nowhere"
      Then the answer's header "X-Request-Id" is "0b0f4f5e-2c52-4a8e-9d8e-3f2f8b0f7f11"
      And one INFO line says "Endpoint called" with request_id "0b0f4f5e-2c52-4a8e-9d8e-3f2f8b0f7f11"

    Scenario: A request without an id gets one
      When I ask for "/health"
      Then the answer's header "X-Request-Id" is a UUID
      And I remember the header "X-Request-Id" as "request"
      And one INFO line says "Endpoint called" with request_id "{request}"

    Scenario: The front page leads to the documentation
      When I ask for "/"
      Then the answer is 307
      And the answer's header "Location" is "/docs"
      When I browse to "/docs"
      Then the answer is 200
      And the body mentions "swagger"

    Scenario: The description of the API
      When I ask for "/openapi.json"
      Then the answer is 200
      And its openapi is "<text>"
      And its paths contain
        """
        {
          "/health": {"get": {}},
          "/metrics": {"get": {}, "post": {}},
          "/metrics/{id}": {"get": {}, "patch": {}, "delete": {}},
          "/metrics/{id}/query": {"get": {}},
          "/metrics/{id}/layouts": {"put": {}},
          "/metrics/{id}/metric-records": {"post": {}}
        }
        """

    Scenario: Answers are compressed for clients that accept it
      Given the next request has the header "Accept-Encoding" "gzip"
      When I ask for "/openapi.json"
      Then the answer is 200
      And the answer's header "Content-Encoding" is "gzip"
      When I ask for "/openapi.json"
      Then the answer has no header "Content-Encoding"

    # The embedded database belongs to one process at a time.
    @embedded
    Scenario: A data folder that is in use
      When I import the catalog
      Then it fails
      And it says "in use"
      When I ask for "/health"
      Then the answer is 200

  Rule: Starting and stopping

    Scenario: It says that it starts and that it stops
      Given metricd trusts some issuer
      And metricd is running
      When metricd stops
      Then one INFO line says "Starting service" with listen "<something>"
      And one INFO line says "Shutting down service"
      And no WARN line is logged
      And no ERROR line is logged

    Scenario: A first look, with data up to today
      When metricd starts with "--demo"
      And I run the curl line that it has printed
      Then the answer is 200
      And its records has some items
      When metricd stops
      And metricd starts with "--demo"
      And I ask for "/metrics"
      Then its items has some items

    Scenario: It listens on this machine alone
      When I run "metricd serve --listen 0.0.0.0:0"
      Then it fails
      And it says "loopback"

    Scenario: All faults of the configuration are listed at once
      Given the setting "METRICD_LIMITS__MAX_ROWS" is "many"
      And the setting "METRICD_CLOCK" is "yesterday"
      When I run "metricd serve --listen nowhere"
      Then it fails
      And it says "max_rows"
      And it says "clock"
      And it says "listen"

    Scenario: A setting that means nothing is a fault, wherever it stands
      Given the setting "METRICD_LIMITS_MAX_ROWS" is "5"
      And the file "metricd.toml" is
        """
        [limits]
        max_lines = 5
        """
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "METRICD_LIMITS_MAX_ROWS"
      And it says "limits.max_lines"

    @embedded
    Scenario: A reader without a server makes no sense
      Given the setting "READER_DATABASE_URL" is "postgres://reader:s3cr3t-w0rd@127.0.0.1:1/metricd"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "database.reader_url: DATABASE_URL is missing"
      And it does not say "s3cr3t-w0rd"

    @native
    Scenario: A reader that is not let in is named without its password
      Given the setting "READER_DATABASE_URL" is "postgres://reader:s3cr3t-w0rd@127.0.0.1:1/metricd"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "as the reader role `reader`"
      And it does not say "s3cr3t-w0rd"

    @native
    Scenario: Connections that the server does not give are faults, all at once
      Given the setting "METRICD_DATABASE__MAX_CONNECTIONS" is "150"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it exits with 1
      And it says "the server gives 197 connections, and metricd takes up to 306"
      And it says "set database.max_connections to 95 at most"
      And it says "ALTER ROLE metricd_reader CONNECTION LIMIT 153"

    # A server keeps its data in a private folder.
    @embedded
    Scenario: The data folder is metricd's own
      Given a database that metricd has never seen
      When metricd starts
      Then only its owner may look into the folder "data"

    Scenario: A password is never printed
      Given the setting "DATABASE_URL" is "postgres://metricd:s3cr3t-w0rd@127.0.0.1:1/metricd"
      And the setting "METRICD_DATABASE__ACQUIRE_TIMEOUT" is "1s"
      And the setting "METRICD_DATABASE__START_TIMEOUT" is "4s"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "Database unreachable; trying again"
      And it does not say "s3cr3t-w0rd"

    # A database that others use exists only on a server.
    @native
    Scenario Outline: A database with foreign tables is left alone
      Given a database that metricd has never seen
      And this SQL was run in the database
        """
        CREATE TABLE metrics (theirs int);
        INSERT INTO metrics VALUES (7);
        """
      When I run "metricd <command>"
      Then it fails
      And it says "metrics"
      And in the database, "SELECT * FROM metrics" gives
        """
        [{"theirs": 7}]
        """
      And in the database, "SELECT count(*) AS n FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')" gives
        """
        [{"n": 1}]
        """

      Examples:
        | command                      |
        | migrate                      |
        | serve --listen 127.0.0.1:0   |

    Scenario: Migrating twice changes nothing
      Given a database that metricd has never seen
      When I run "metricd migrate"
      Then it succeeds
      When I run "metricd migrate"
      Then it succeeds

    Scenario: The API's description needs no database
      Given the setting "DATABASE_URL" is "postgres://127.0.0.1:1/nowhere"
      When I run "metricd openapi"
      Then it succeeds
      And it prints
        """
        {"openapi": "<text>"}
        """

    Scenario: A metric on the command line
      Given the sample catalog
      When I run "metricd query 53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c --start-date 2025-06-10 --end-date 2025-06-10 --format json"
      Then it succeeds
      And it prints
        """
        [{"day": "2025-06-10", "amount": 70.5}]
        """
      When I run "metricd query 00000000-0000-4000-8000-000000000000"
      Then it fails
      And it says "not found"
