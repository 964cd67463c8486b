Feature: The reader
  On a server, stored SQL runs as a role that reads what it was granted, and no more. Where that does not
  hold, metricd does not start. On every engine a query costs no more than it may.

  # Who may read what is asked of a server: the embedded engine has no roles.
  @native
  Rule: What stored SQL may read

    Background:
      Given metricd is running
      And this SQL was run in the database
        """
        CREATE TABLE orders (n int);
        INSERT INTO orders VALUES (7)
        """

    Scenario: A table is there once it is granted, and gone when that is revoked
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT n FROM orders"}
        """
      Then the answer is 422
      And the body mentions "`orders`"
      And the body mentions "not granted to the reader role"

      Given this SQL was run in the database
        """
        GRANT SELECT ON orders TO metricd_reader
        """
      And a metric with the query
        """
        SELECT n FROM orders
        """
      When I ask for the metric "{id}"
      Then the answer is 200
      And its records are [{"n": 7}]

      Given this SQL was run in the database
        """
        REVOKE SELECT ON orders FROM metricd_reader
        """
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 424
      And its type is "urn:metricd:problem:metric-broken"
      And it is a problem: "permission denied for table orders"
      Given "vic" is a viewer
      And I am "vic"
      When the next request has the header "Cache-Control" "no-cache"
      And I ask for the metric "{id}"
      Then the answer is 424
      And it is a problem: "The metric is broken since"
      And the body does not mention "orders"

    Scenario: What was not understood is said where no records may be read in its place
      Given this SQL was run in the database
        """
        REVOKE ALL ON public.metrics FROM metricd_reader
        """
      When I POST to "/metrics/preview"
        """
        {"query_generation_prompt": "what the weather will be"}
        """
      Then the answer is 422
      And its type is "urn:metricd:problem:sentence-not-understood"
      And the body mentions "The sentence was not understood"
      And the body mentions "stored SQL may not read `metrics`"

    Scenario: Stored SQL runs as the reader role only
      Given a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 0}]
      And in the database, "SELECT DISTINCT usename::text AS role FROM pg_stat_activity WHERE query LIKE '%row_to_json(q.*)%' AND datname = current_database() AND pid <> pg_backend_pid()" gives
        """
        [{"role": "metricd_reader"}]
        """

  @native
  Rule: A reader that could do more

    Scenario: metricd does not start, and says what to do
      Given this SQL was run in the database
        """
        GRANT INSERT ON metrics TO PUBLIC;
        GRANT USAGE ON SCHEMA metricd TO metricd_reader
        """
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "PUBLIC may INSERT public.metrics"
      And it says "REVOKE INSERT ON public.metrics FROM PUBLIC"
      And it says "it may look into the schema metricd"
      And it says "REVOKE USAGE ON SCHEMA metricd FROM metricd_reader"
      When I run "metricd query 00000000-0000-4000-8000-000000000000"
      Then it fails
      And it says "REVOKE INSERT ON public.metrics FROM PUBLIC"
      When I import the catalog
      Then it fails
      And it says "REVOKE INSERT ON public.metrics FROM PUBLIC"

      Given this SQL was run in the database
        """
        REVOKE INSERT ON public.metrics FROM PUBLIC;
        REVOKE USAGE ON SCHEMA metricd FROM metricd_reader
        """
      When metricd starts
      And I ask for "/health"
      Then the answer is 200

    Scenario: A role that another database may use is left alone
      Given a database that metricd has never seen
      And this SQL was run in the database
        """
        CREATE ROLE of_another_owner LOGIN PASSWORD 'theirs'
        """
      And the setting "METRICD_DATABASE__READER_ROLE" is "of_another_owner"
      When I run "metricd migrate"
      Then it fails
      And it says "`of_another_owner` exists already"
      And it says "database.reader_role"
      And it says "READER_DATABASE_URL"

  Rule: What a query may cost

    # On the embedded engine the catalog waits for the same connection, before a query is in the queue.
    @native
    Scenario: More queries than may wait
      Given the setting "METRICD_LIMITS__MAX_COST" is "4000000000"
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
      When metricd stops
      Given the setting "METRICD_LIMITS__CONCURRENT_QUERIES" is "1"
      And the setting "METRICD_LIMITS__QUEUED_QUERIES" is "0"
      When metricd starts again
      And I ask for the metric "{id}" in the background
      Then in the database, "SELECT count(*) AS running FROM pg_stat_activity WHERE application_name = 'metricd reader' AND state = 'active' AND query LIKE 'SELECT string_agg(%' AND datname = current_database()" soon gives
        """
        [{"running": 1}]
        """
      When I ask for the metric "{quick}"
      Then the answer is 503
      And it is a problem: "busy"
      And the answer has the header "Retry-After"
      And what I asked in the background has no answer yet
      And a WARN line soon says "Overloaded; requests are refused"
      And no ERROR line is logged

    Scenario: Rows beyond the largest answer are left out
      Given the setting "METRICD_LIMITS__MAX_RESULT_BYTES" is "1024"
      And metricd is running
      And a metric with the query
        """
        SELECT n AS row_number, '........................................' AS text FROM generate_series(1, 99) n ORDER BY 1
        """
      When I ask for the metric "{id}"
      Then the answer is 200
      And its truncated is true
      And its records has 15 items

    Scenario: A row that is larger than an answer may be
      Given the setting "METRICD_LIMITS__MAX_RESULT_BYTES" is "1024"
      And metricd is running
      And a metric with the query
        """
        SELECT string_agg(n::text, ' ') AS text FROM generate_series(1, 999) n
        """
      When I ask for the metric "{id}"
      Then the answer is 422
      And it is a problem: "too large"
      And its type is "urn:metricd:problem:row-too-large"
