Feature: Tables
  An author of SQL sees the tables that SQL may read, with their comments and columns, and no value of a row.

  Rule: What a caller may write SQL over

    Background:
      Given the file "parts.csv" is
        """
        n,colour
        1,vermilion
        2,ultramarine
        """
      And I run "metricd load {folder}/parts.csv --table parts"
      And "ann" is an editor
      And "bob" is a viewer

    Scenario: An editor sees tables and their columns, and no value of their rows
      Given metricd is running
      When "ann" asks for "/tables"
      Then the answer is 200
      And the answer's header "Cache-Control" is "private, no-cache"
      And the answer's header "Vary" contains "authorization"
      And the body is
        """
        {
          "items": [
            {
              "name": "public.metrics", "comment": null,
              "columns": [
                {"name": "metric_id", "type": "uuid", "comment": null},
                {"name": "id", "type": "text", "comment": null},
                {"name": "date", "type": "timestamp", "comment": null},
                {"name": "obsolescence_val", "type": "float8", "comment": null},
                {"name": "obsolescence", "type": "float8", "comment": null},
                {"name": "parts_flagged", "type": "int4", "comment": null},
                {"name": "alert_type", "type": "text", "comment": null},
                {"name": "alert_category", "type": "text", "comment": null}
              ]
            },
            {
              "name": "public.parts", "comment": null,
              "columns": [
                {"name": "n", "type": "int8", "comment": null},
                {"name": "colour", "type": "text", "comment": null}
              ]
            }
          ],
          "next_cursor": null
        }
        """
      And the body does not mention "vermilion"

    Scenario: Page by page
      Given metricd is running
      When "ann" asks for "/tables?limit=1"
      Then its items.0.name is "public.metrics"
      And its items has 1 item
      And its next_cursor is "public.metrics"
      When "ann" asks for "/tables?limit=1&cursor=public.metrics"
      Then its items.0.name is "public.parts"
      And its next_cursor is null
      When "ann" asks for "/tables?limit=0&cursor=a.b.c"
      Then the faults are
        | place        | type         | message                                  |
        | query.limit  | out_of_range | must be a whole number from 1 to 200     |
        | query.cursor | value_error  | must be a next_cursor of an earlier page |

    Scenario Outline: A caller who may write no SQL learns nothing: <query>
      Given metricd is running
      And I am "bob"
      When the next request has the header "X-Request-Id" "denied"
      And I ask for "/tables<query>"
      Then the answer is 403
      And it is a problem: "Permission denied"
      And the body does not mention "parts"
      And the audit of the request "denied" contains
        """
        {"subject": "bob", "action": "writeSql", "object": {"kind": "catalog", "id": null}, "outcome": "denied"}
        """

      Examples:
        | query    |
        |          |
        | ?limit=x |

    Scenario: A caller whose policies permit one table sees that one
      Given beside the usual policies there is
        """
        forbid (principal, action == Action::"writeSql", resource is Table)
        unless { resource == Table::"public.parts" || principal in Role::"admin" };
        """
      And metricd is running
      When "ann" asks for "/tables?limit=1"
      Then the answer is 200
      And its items has 1 item
      And its items.0.name is "public.parts"
      And its next_cursor is null
      And the body does not mention "public.metrics"
      When "bob" asks for "/tables"
      Then the answer is 403

  # The harness looks into the database while metricd runs: the embedded engine has one connection, and no grants.
  @native
  Rule: What the reader role was granted

    Background:
      Given metricd is running
      And I am an editor
      And this SQL was run in the database
        """
        CREATE SCHEMA sales;
        CREATE TABLE sales."Orders.2025" (state text, secret text);
        COMMENT ON TABLE sales."Orders.2025" IS 'One row for each order';
        COMMENT ON COLUMN sales."Orders.2025".state IS 'How far it has come';
        INSERT INTO sales."Orders.2025" VALUES ('vermilion', 'ultramarine');
        CREATE VIEW open_orders AS SELECT * FROM sales."Orders.2025";
        COMMENT ON VIEW open_orders IS 'Those that wait';
        CREATE TABLE salaries (n int);
        GRANT USAGE ON SCHEMA sales TO metricd_reader;
        GRANT SELECT (state) ON sales."Orders.2025" TO metricd_reader;
        GRANT SELECT ON open_orders TO metricd_reader
        """

    Scenario: Tables and views with their comments, as far as they are granted
      When I ask for "/tables?cursor=public.metrics"
      Then its items are
        """
        [
          {
            "name": "public.open_orders", "comment": "Those that wait",
            "columns": [
              {"name": "state", "type": "text", "comment": null},
              {"name": "secret", "type": "text", "comment": null}
            ]
          },
          {
            "name": "sales.\"Orders.2025\"", "comment": "One row for each order",
            "columns": [{"name": "state", "type": "text", "comment": "How far it has come"}]
          }
        ]
        """
      And the body does not mention "vermilion"
      And the body does not mention "ultramarine"
      When I ask for "/tables?cursor=sales.%22Orders.2025%22"
      Then its items are []

    Scenario: A table appears once it is granted, when the schema is refreshed
      When I ask for "/tables"
      Then the body does not mention "public.salaries"
      Given this SQL was run in the database
        """
        GRANT SELECT ON salaries TO metricd_reader
        """
      When I ask for "/tables" until the body mentions "public.salaries"
      Then the answer is 200
