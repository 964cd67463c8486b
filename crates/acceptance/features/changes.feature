Feature: Changes
  Every write, by metricd or by others, is logged as a change in its own transaction.

  # The harness looks into the database while metricd runs: the embedded engine has one connection.
  @native
  Rule: What is noted

    Background:
      Given "ann" is an editor
      And "bob" is a viewer
      And metricd is running
      And this SQL was run in the database
        """
        CREATE SCHEMA sales;
        CREATE TABLE sales.orders (n int);
        CREATE TABLE orders (n int);
        CREATE VIEW recent AS SELECT * FROM orders;
        TRUNCATE metricd.changes
        """
      And I am "ann"

    Scenario: What metricd itself writes
      Given I have made the metric
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then in the database, "SELECT DISTINCT kind FROM metricd.changes ORDER BY kind" gives
        """
        [{"kind": "metric"}, {"kind": "query"}]
        """
      Given this SQL was run in the database
        """
        TRUNCATE metricd.changes
        """
      When I add to the metric "{id}" the record
        """
        {"parts_flagged": 1}
        """
      Then the answer is 201
      And in the database, "SELECT kind, table_schema, table_name, ids = (SELECT array_agg(id) FROM public.metrics) AS ids FROM metricd.changes" gives
        """
        [{"kind": "table", "table_schema": "public", "table_name": "metrics", "ids": true}]
        """
      Given this SQL was run in the database
        """
        TRUNCATE metricd.changes
        """
      When I ask for the metric "{id}"
      Then in the database, "SELECT count(*) AS n FROM metricd.changes" gives
        """
        [{"n": 0}]
        """

    Scenario Outline: A change of <name> is announced
      When the next request has the header "X-Request-Id" "announced"
      And I send POST to "/tables/<name>/changed"
      Then the answer is 204
      And the body is empty
      And in the database, "SELECT kind, table_schema, table_name, ids FROM metricd.changes" gives
        """
        [{"kind": "table", "table_schema": "<schema>", "table_name": "<table>", "ids": null}]
        """
      And the audit of the request "announced" contains
        """
        {
          "subject": "ann", "action": "announceChange",
          "object": {"kind": "table", "id": "<schema>.<table>"}, "version": null, "outcome": "done"
        }
        """

      Examples:
        | name                     | schema | table   |
        | orders                   | public | orders  |
        | public.metrics           | public | metrics |
        | sales.orders             | sales  | orders  |
        | %22sales%22.%22orders%22 | sales  | orders  |
        | recent                   | public | recent  |

    Scenario Outline: What is not there cannot have changed: <name>
      When I send POST to "/tables/<name>/changed"
      Then the answer is 404
      And it is a problem: "Table not found"
      And its type is "urn:metricd:problem:table-not-found"
      And in the database, "SELECT count(*) AS n FROM metricd.changes" gives
        """
        [{"n": 0}]
        """

      Examples:
        | name                |
        | missing             |
        | sales.missing       |
        | Orders              |
        | metricd.queries     |
        | pg_catalog.pg_class |

    Scenario: What is no name is a fault
      When I send POST to "/tables/a.b.c/changed"
      Then the answer is 422
      And the body mentions "must be a table, or a schema and a table"

    Scenario Outline: A caller without the permission learns nothing: <name>
      Given I am "bob"
      When the next request has the header "X-Request-Id" "denied"
      And I send POST to "/tables/<name>/changed"
      Then the answer is 403
      And the audit of the request "denied" contains
        """
        {"subject": "bob", "action": "announceChange", "outcome": "denied"}
        """

      Examples:
        | name    |
        | orders  |
        | missing |
        | a.b.c   |

  @native
  Rule: Tables that others write

    Background:
      Given metricd is running
      And this SQL was run in the database
        """
        CREATE TABLE orders (n int) PARTITION BY RANGE (n);
        CREATE TABLE orders_few PARTITION OF orders FOR VALUES FROM (0) TO (10);
        CREATE VIEW recent AS SELECT * FROM orders
        """

    Scenario: A table is watched, and no longer
      When I run "metricd watch orders"
      Then it succeeds
      And it prints "public.orders is watched from now on"
      And it prints "public.orders_few is watched from now on"
      When I run "metricd watch public.orders"
      Then it succeeds
      And it prints "public.orders was watched already"
      Given this SQL was run in the database
        """
        TRUNCATE metricd.changes;
        INSERT INTO orders_few VALUES (1)
        """
      Then in the database, "SELECT kind, table_name FROM metricd.changes" gives
        """
        [{"kind": "table", "table_name": "orders_few"}]
        """
      When I run "metricd unwatch orders"
      Then it succeeds
      And it prints "public.orders is no longer watched"
      When I run "metricd unwatch orders"
      Then it succeeds
      And it prints "public.orders was not watched"
      Given this SQL was run in the database
        """
        TRUNCATE metricd.changes;
        INSERT INTO orders VALUES (2)
        """
      Then in the database, "SELECT count(*) AS n FROM metricd.changes" gives
        """
        [{"n": 0}]
        """
      And in the database, "SELECT action, object_id, outcome FROM metricd.audit_events WHERE action IN ('watch', 'unwatch') ORDER BY sequence LIMIT 1" gives
        """
        [{"action": "watch", "object_id": "public.orders", "outcome": "done"}]
        """

    Scenario Outline: What cannot be watched: <table>
      When I run "metricd watch <table>"
      Then it fails
      And it says "<reason>"

      Examples:
        | table           | reason                                                    |
        | recent          | is a view: watch the tables that its rows come from       |
        | metrics         | POST /tables/public.metrics/changed                       |
        | missing         | table public.missing does not exist                      |
        | metricd.queries | is a system table                                         |
        | a.b.c           | must be a table, or a schema and a table                  |

  # metricd has the folder for itself.
  @embedded
  Rule: The embedded engine

    Scenario: Its own table is announced, not watched
      Given metricd is running
      When I send POST to "/tables/metrics/changed"
      Then the answer is 204
      When metricd stops
      And I run "metricd watch metrics"
      Then it fails
      And it says "POST /tables/public.metrics/changed"
