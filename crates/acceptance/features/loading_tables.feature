Feature: Loading a table
  Anyone's file of rows becomes a table that metrics can read: whole or not at all, its types told from
  all of it, and no digit lost.

  Rule: A new table

    Scenario: A CSV file becomes a table that a metric answers from
      Given the file "orders.csv" is
        """
        Order ID,amount,placed on,region,open,code
        1,12345678901234567890.10,2025-06-01,EMEA,true,007
        2,0.30,2025-06-02,"North, ""A"" B",false,008
        3,,2025-06-03,,true,009
        """
      When I run "metricd load {folder}/orders.csv --table orders --format json"
      Then it succeeds
      And it prints
        """
        {
          "table": "public.orders", "rows": 3, "rejected": 0, "made": true, "written": true,
          "columns": [
            {"name": "order_id", "type": "int8", "header": "Order ID"},
            {"name": "amount", "type": "numeric"},
            {"name": "placed_on", "type": "date"},
            {"name": "region", "type": "text", "text_since_line": null},
            {"name": "open", "type": "bool"},
            {"name": "code", "type": "text"}
          ]
        }
        """
      Given metricd is running
      And a metric with the query
        """
        SELECT order_id, amount, region, code FROM orders ORDER BY order_id
        """
      When I ask for the metric "{id}"
      Then its records are
        """
        [
          {"order_id": 1, "amount": 12345678901234567890.10, "region": "EMEA", "code": "007"},
          {"order_id": 2, "amount": 0.30, "region": "North, \"A\" B", "code": "008"},
          {"order_id": 3, "amount": null, "region": null, "code": "009"}
        ]
        """

    Scenario: So does a file of JSON lines
      Given the file "events.jsonl" is
        """
        {"at": "2025-06-01T12:00:00Z", "size": 1e2, "who": "7"}

        {"at": "2025-06-01T12:00:01+02:00", "tags": ["a", {"b": 1.50}], "who": null}
        """
      When I run "metricd load {folder}/events.jsonl --table events"
      Then it succeeds
      And it prints "timestamptz"
      And it prints "jsonb"
      And it prints "Loaded: 2 rows into public.events."
      Given metricd is running
      And a metric with the query
        """
        SELECT size, who, tags FROM events ORDER BY at
        """
      When I ask for the metric "{id}"
      Then its records are
        """
        [{"size": null, "who": null, "tags": ["a", {"b": 1.50}]}, {"size": 100, "who": "7", "tags": null}]
        """

    Scenario: A key that a line gives twice is no value to choose from
      Given the file "events.jsonl" is
        """
        {"a": 1, "b": 2}
        {"a": 1, "b": 2, "a": 3}
        """
      When I run "metricd load {folder}/events.jsonl --table events"
      Then it exits with 2
      And it prints "line 2  gives `a` twice"

    Scenario: One odd cell makes a text of its column, and that is told
      Given the file "sales.csv" is
        """
        amount
        1
        n/a
        """
      When I run "metricd load {folder}/sales.csv --table sales --dry-run"
      Then it succeeds
      And it prints "text, because of line 3"
      And it prints "Nothing was written: 2 rows would go into public.sales."
      When I run "metricd load {folder}/sales.csv --table sales --append"
      Then it fails
      And it says "the table public.sales does not exist"

    Scenario: Rows that do not fit are kept aside with the reasons
      Given the file "sales.csv" is
        """
        amount,region
        1,EMEA
        n/a,APAC
        2
        3,EMEA
        """
      When I run "metricd load {folder}/sales.csv --table sales --type amount=int8 --format json"
      Then it exits with 2
      And it prints
        """
        {
          "rows": 2, "rejected": 2, "written": false,
          "first_rejected": [
            {"line": 3, "reason": "amount: `n/a` is not a valid int8"},
            {"line": 4, "reason": "has 1 cells where the header has 2"}
          ]
        }
        """
      When I run "metricd load {folder}/sales.csv --table sales --type amount=int8 --skip-rejected"
      Then it succeeds
      And it prints "2 rows rejected, all of them in"
      And it prints "Loaded: 2 rows into public.sales."
      And the file "sales.csv.rejected.csv" holds
        """
        line,reason,row
        3,amount: `n/a` is not a valid int8,"n/a,APAC"
        4,has 1 cells where the header has 2,2
        """

  Rule: Nothing of a file is swallowed

    Scenario: A quote that is not closed is refused with its line
      Given the file "open.csv" is 'id,text\n1,a\n2,"oops\n3,b\n4,c\n'
      When I run "metricd load {folder}/open.csv --table notes"
      Then it exits with 65
      And it says "line 3: a double quote opens a cell here and is not closed"
      And it does not say "did not shut down cleanly"
      When I run "metricd load {folder}/open.csv --table notes --skip-rejected"
      Then it exits with 65

    Scenario: So is one in a file from Windows
      Given the file "open.csv" is 'id,text\r\n1,a\r\n2,"oops\r\n3,b\r\n4,c\r\n'
      When I run "metricd load {folder}/open.csv --table notes"
      Then it exits with 65
      And it says "line 3: a double quote opens a cell here and is not closed"
      And it does not say "did not shut down cleanly"
      When I run "metricd load {folder}/open.csv --table notes --skip-rejected"
      Then it exits with 65

    Scenario: Text after a closing quote is kept aside with its row
      Given the file "stray.csv" is 'id,text\n1,"a"\n2,"oops\n3,"b"\n4,c\n'
      When I run "metricd load {folder}/stray.csv --table notes --format json"
      Then it exits with 2
      And it prints
        """
        {
          "rows": 2, "rejected": 1, "written": false,
          "first_rejected": [
            {"line": 3, "reason": "has text after a closing quote in line 4; a quote inside quotes is written twice"}
          ]
        }
        """
      And it does not say "did not shut down cleanly"

    Scenario: Lines of a file from Windows have their numbers
      Given the file "windows.csv" is 'id,text\r\n1,"a\r\nb"\r\nx,c\r\n'
      When I run "metricd load {folder}/windows.csv --table notes --type id=int8 --format json"
      Then it exits with 2
      And it prints
        """
        {"rejected": 1, "first_rejected": [{"line": 4, "reason": "id: `x` is not a valid int8"}]}
        """

    Scenario: A blank line in a file of one column is a row without a value
      Given the file "emails.csv" is 'email\na@x\n\nb@x\n""\n'
      When I run "metricd load {folder}/emails.csv --table emails"
      Then it succeeds
      And it prints "Loaded: 4 rows into public.emails."
      Given metricd is running
      And a metric with the query
        """
        SELECT email FROM emails ORDER BY email NULLS LAST
        """
      When I ask for the metric "{id}"
      Then its records are [{"email": ""}, {"email": "a@x"}, {"email": "b@x"}, {"email": null}]

    Scenario: A blank line in a file of several columns holds nothing
      Given the file "pairs.csv" is 'a,b\n\n1,""\n\n2,3\n\n'
      When I run "metricd load {folder}/pairs.csv --table pairs --format json"
      Then it succeeds
      And it prints
        """
        {"rows": 2, "columns": [{"name": "a", "type": "int8"}, {"name": "b", "type": "int8"}]}
        """

    Scenario: What metricd exports loads back
      Given the file "first.jsonl" is
        """
        {"id": 1, "ok": true, "note": "a \"b\", c\n", "tags": {"a": [1, null]}, "at": "2025-06-01T12:00:00Z"}
        {"id": 2, "ok": false, "note": "", "tags": [], "at": null}
        {"id": 3, "ok": null, "note": null, "tags": null, "at": null}
        """
      And the file "second.csv" is 'id,ok,note,tags,at\r\n4,t,"a ""b"", c\n","{""a"": [1, null]}","2025-06-01 12:00:00+00"\r\n5,f,"",[],\r\n6,,,,\r\n'
      When I run "metricd load {folder}/first.jsonl --table notes"
      Then it succeeds
      When I run "metricd load {folder}/second.csv --table notes --append"
      Then it succeeds
      Given metricd is running
      And a metric with the query
        """
        SELECT count(*) AS rows, count(DISTINCT n) AS kinds
        FROM (SELECT (ok, note, tags, at)::text AS n FROM notes) AS n
        """
      When I ask for the metric "{id}"
      Then its records are [{"rows": 6, "kinds": 3}]

  Rule: A table that is there

    Background:
      Given the file "one.csv" is
        """
        n,label
        1,one
        """
      And the file "two.csv" is
        """
        label,n
        two,2
        """
      And I run "metricd load {folder}/one.csv --table numbers"

    Scenario: It is not touched unless that is said
      When I run "metricd load {folder}/two.csv --table numbers"
      Then it fails
      And it says "the table public.numbers already exists: use --append or --replace"

    Scenario: Rows are added
      When I run "metricd load {folder}/two.csv --table numbers --append"
      Then it succeeds
      Given metricd is running
      And a metric with the query
        """
        SELECT n, label FROM numbers ORDER BY n
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1, "label": "one"}, {"n": 2, "label": "two"}]

    Scenario: Rows are put in place of others
      When I run "metricd load {folder}/two.csv --table numbers --replace"
      Then it succeeds
      Given metricd is running
      And a metric with the query
        """
        SELECT n, label FROM numbers ORDER BY n
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 2, "label": "two"}]

    @native
    Scenario: A row that only PostgreSQL refuses is a fault of the file
      Given this SQL was run in the database
        """
        ALTER TABLE numbers ADD CHECK (n < 2)
        """
      When I run "metricd load {folder}/two.csv --table numbers --append"
      Then it exits with 65
      And it says "public.numbers could not be loaded: the database does not accept a row"

    Scenario: Cells have to be what the table's columns are
      Given the file "three.csv" is
        """
        n,label
        three,three
        """
      When I run "metricd load {folder}/three.csv --table numbers --replace"
      Then it exits with 2
      And it says "n: `three` is not a valid int8"
      Given the file "four.csv" is
        """
        n,size
        4,4
        """
      When I run "metricd load {folder}/four.csv --table numbers --append"
      Then it fails
      And it says "public.numbers has no column size"
      Given metricd is running
      And a metric with the query
        """
        SELECT n FROM numbers
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]

  # A running metricd has the embedded engine's folder for itself.
  @native
  Rule: While metricd runs

    Scenario: What is loaded is soon known
      Given the file "one.csv" is
        """
        n
        1
        """
      And I run "metricd load {folder}/one.csv --table numbers"
      And metricd is running
      And a metric with the query
        """
        SELECT count(*) AS n FROM numbers
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 1}]
      When I run "metricd load {folder}/one.csv --table numbers --append"
      Then it succeeds
      And the metric "{id}" soon has the records [{"n": 2}]
      And in the database, "SELECT action, object_id, outcome FROM metricd.audit_events WHERE object_kind = 'table' ORDER BY sequence LIMIT 1" gives
        """
        [{"action": "import", "object_id": "public.numbers", "outcome": "done"}]
        """

  Rule: What cannot be loaded

    Scenario Outline: A file that names no columns: <content>
      Given the file "bad.csv" is "<content>"
      When I run "metricd load {folder}/bad.csv --table numbers"
      Then it fails
      And it says "<reason>"

      Examples:
        | content  | reason                                         |
        |          | its first line has to name the columns         |
        | a,A\n1,2 | the headers `a` and `A` both name the column a |
        | a,?\n1,2 | the header of column 2, `?`, holds no letter   |

    Scenario Outline: A table that is not for loading: <table>
      Given the file "one.csv" is "n\n1"
      When I run "metricd load {folder}/one.csv --table <table>"
      Then it fails
      And it says "<reason>"

      Examples:
        | table           | reason                                           |
        | metrics         | it holds records; use `metricd import --records` |
        | metricd.queries | use another schema                               |
        | a.b.c           | must be a table, or a schema and a table         |
        | nosuch.numbers  | does not exist (SQLSTATE 3F000)                  |
        | a123456789b123456789c123456789d123456789e123456789f123456789g123 | has at most 63 bytes |

    @native
    Scenario Outline: What only PostgreSQL refuses is told as it says it: <content>
      Given this SQL was run in the database
        """
        CREATE TABLE sizes (id int PRIMARY KEY, size int CHECK (size > 0))
        """
      And the file "sizes.csv" is "<content>"
      When I run "metricd load {folder}/sizes.csv --table sizes <mode>"
      Then it exits with 65
      And it says "<reason>"
      And in the database, "SELECT count(*) AS n FROM sizes" gives
        """
        [{"n": 0}]
        """

      Examples:
        | content                  | mode     | reason                                                                                |
        | id,size\n1,99999999999   | --append | 99999999999 |
        | id,size\n1,0             | --append | Failing row contains (1, 0) (SQLSTATE 23514) |
        | id,size\n1,1\n1,2        | --append | Key (id)=(1) already exists (SQLSTATE 23505) |

    Scenario: A file that is not there
      When I run "metricd load {folder}/missing.csv --table numbers"
      Then it fails
      And it says "missing.csv"
