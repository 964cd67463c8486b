Feature: Loading a catalog
  A catalog is loaded as a whole or not at all, twice with the same result, and ends in a report of
  what was found in the files.

  Background:
    Given the clock says "2025-08-05T12:00:00Z"

  Rule: The sample

    Scenario: The first time, everything is new and one id is repaired
      Given an empty catalog
      When I import the catalog
      Then it succeeds
      And the report says that it wrote
      And the report counts
        |         | created | updated | unchanged | removed |
        | queries | 5       | 0       | 0         | 0       |
        | metrics | 5       | 0       | 0         | 0       |
        | layouts | 10      | 0       | 0         | 0       |
        | records | 15      | 0       | 0         | 0       |
      And the report finds exactly
        | severity | file                | place             | message                              |
        | repair   | metrics.json        | 24 $.items[4].id  | 1379a764-2543-45fd-a78b-8c5a65827417 |
        | note     | metric_records.json | $[13]             | $[12]                                |
      And the report contains
        """
        {"repaired": 1, "rejected": 0}
        """
      And the report says of each query what may vary in it

    Scenario: The second time, nothing changes
      Given the sample catalog
      When I import the catalog
      Then it succeeds
      And the report counts
        |         | created | updated | unchanged | removed |
        | queries | 0       | 0       | 5         | 0       |
        | metrics | 0       | 0       | 5         | 0       |
        | layouts | 0       | 0       | 10        | 0       |
        | records | 0       | 0       | 15        | 0       |
      And the report finds exactly
        | severity | file                | place             | message                              |
        | repair   | metrics.json        | 24 $.items[4].id  | 1379a764-2543-45fd-a78b-8c5a65827417 |
        | note     | metric_records.json | $[13]             | $[12]                                |
      When metricd starts
      And I ask for the metric "1379a764-2543-45fd-a78b-8c5a65827417"
      Then its records.1 is
        """
        {"day": "2025-06-10", "need_approval_count": 2}
        """

    Scenario: A person reads a table
      Given an empty catalog
      When I run "metricd import --metrics {folder}/metrics.json --queries {folder}/queries.csv --records {folder}/metric_records.json"
      Then it succeeds
      And it prints "1379a764-2543-45fd-a78b-8c5a65827417"
      And it prints "metrics.json"

    Scenario: Records are optional
      Given an empty catalog
      When I run "metricd import --metrics {folder}/metrics.json --queries {folder}/queries.csv --format json"
      Then it succeeds
      And the report counts
        |         | created | updated | unchanged | removed |
        | metrics | 5       | 0       | 0         | 0       |
        | records | 0       | 0       | 0         | 0       |

    Scenario: A byte-order mark is no fault
      Given an empty catalog
      And the file "queries.csv" begins with a byte-order mark
      And the file "metrics.json" begins with a byte-order mark
      And the file "metric_records.json" begins with a byte-order mark
      When I import the catalog
      Then it succeeds
      And the report counts
        |         | created | updated | unchanged | removed |
        | queries | 5       | 0       | 0         | 0       |
        | records | 15      | 0       | 0         | 0       |

  Rule: Ways to load

    Scenario: The SQL that a file replaces is kept
      Given the sample catalog
      And the query "cmcw1zaxw0003p1qk1fo9ss8m" in the file is "SELECT 5 AS five"
      When I import the catalog
      And metricd starts
      And I ask for "/metrics/def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6/versions"
      Then its current.sql is "SELECT 5 AS five"
      And its items has 1 item
      And its items.0.version is 1
      And its items.0.replaced_by is "operator"

    Scenario: A dry run tells all and writes nothing
      Given an empty catalog
      When I import the catalog with "--dry-run"
      Then it succeeds
      And the report says that it wrote nothing
      And the report counts
        |         | created | updated | unchanged | removed |
        | metrics | 5       | 0       | 0         | 0       |
        | records | 15      | 0       | 0         | 0       |
      When metricd starts
      And I ask for "/metrics"
      Then its items are []

    Scenario: Strict takes no repairs
      Given an empty catalog
      When I import the catalog with "--strict"
      Then it exits with 2
      And the report says that it wrote nothing
      And the report finds exactly
        | severity  | file                | place             | message                              |
        | rejection | metrics.json        | 24 $.items[4].id  | 1379a764-2543-45fd-a78b-8c5a65827417 |
      When metricd starts
      And I ask for "/metrics"
      Then its items are []

    Scenario: Strict takes a file without repairs and warnings, whatever its notes
      Given an empty catalog
      And in the file "metrics.json" '"53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c",\n        "queryId": "cmcxh' becomes '"1379a764-2543-45fd-a78b-8c5a65827417",\n        "queryId": "cmcxh'
      When I import the catalog with "--strict"
      Then it succeeds
      And the report finds exactly
        | severity | file                | place | message |
        | note     | metric_records.json | $[13] | $[12]   |

    Scenario: Changed files change what they name
      Given the sample catalog
      And in the file "metrics.json" '"y": 9999999' becomes '"y": 3'
      And in the file "queries.csv" "parts flagged and average" becomes "parts flagged, and average"
      When I import the catalog
      Then it succeeds
      And the report counts
        |         | created | updated | unchanged | removed |
        | queries | 0       | 1       | 4         | 0       |
        | records | 0       | 0       | 15        | 0       |
      When metricd starts
      And I ask for the metric "1379a764-2543-45fd-a78b-8c5a65827417"
      Then its layouts.1.y is 3
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380"
      Then its name is "Total parts flagged, and average per day over last week"

    Scenario: What a file no longer names stays, unless it is pruned
      Given the sample catalog
      And metricd is running
      And a metric with the query
        """
        SELECT 1 AS mine
        """
      When metricd stops
      And the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" is taken out of the files
      And I import the catalog
      Then it succeeds
      And the report counts
        |         | created | updated | unchanged | removed |
        | metrics | 0       | 0       | 4         | 0       |
      When I import the catalog with "--prune"
      Then it succeeds
      And the report counts
        |         | created | updated | unchanged | removed |
        | metrics | 0       | 0       | 4         | 1       |
      When metricd starts again
      And I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then the answer is 404
      When I ask for the metric "{id}"
      Then its records are [{"mine": 1}]

    Scenario: Files are checked without a database
      Given the setting "DATABASE_URL" is "postgres://127.0.0.1:1/nowhere"
      When I run "metricd validate --metrics metrics.json --queries queries.csv --records metric_records.json --data-dir untouched --format json"
      Then it succeeds
      And the report finds exactly
        | severity | file                | place             | message                              |
        | repair   | metrics.json        | 24 $.items[4].id  | 1379a764-2543-45fd-a78b-8c5a65827417 |
        | note     | metric_records.json | $[13]             | $[12]                                |
      And there is no folder "untouched"

  Rule: Seeding

    Scenario: An empty catalog is seeded at the start, and only then
      Given a database that metricd has never seen
      And metricd seeds itself from the catalog files
      When metricd starts
      And I ask for "/metrics"
      Then its items has 5 items
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380"
      Then its records are [{"total_flagged": 22, "avg_per_day": 7.33}]
      When I send DELETE to "/metrics/c797b618-df12-45f7-bbb2-cc6695a48e46"
      Then the answer is a success
      When metricd stops
      And metricd starts again
      And I ask for "/metrics"
      Then its items has 4 items
      When I ask for the metric "073ac9db-c16e-4d04-9f25-6fc01d4ac380"
      Then its records are [{"total_flagged": 22, "avg_per_day": 7.33}]

    Scenario: A seed file that is missing is said, and the server starts
      Given an empty catalog
      And the setting "METRIC_RECORDS_SEED_JSON" is "nowhere/records.json"
      When metricd starts
      Then one WARN line mentions "{folder}/nowhere/records.json"
      When I ask for "/health"
      Then the answer is 200

    Scenario Outline: A broken seed is said with its place and without its values: <fault>
      Given an empty catalog
      And in the file "metric_records.json" '<old>' becomes '<new>'
      And metricd seeds itself from the catalog files
      When metricd starts
      Then one ERROR line says "Seed finding" with
        | field | value                        |
        | file  | {folder}/metric_records.json |
        | line  | <line>                       |
      And no log line contains "Schmidt-0815"
      When I ask for "/metrics"
      Then its items are []
      Given a metric with the query
        """
        SELECT count(*) AS n FROM metrics
        """
      When I ask for the metric "{id}"
      Then its records are [{"n": 0}]

      Examples:
        | fault     | old                 | new              | line |
        | no date   | 2025-07-15T00:00:00 | Schmidt-0815     | 9    |
        | no number | 80.25               | "Schmidt-0815"   | 10   |
        | no text   | "Critical"          | ["Schmidt-0815"] | 15   |
        | no JSON   | 80.25               | Schmidt-0815     | 10   |

  Rule: Loading while metricd serves

    # The embedded database belongs to one process at a time.
    @native
    Scenario: A new metric answers at once
      Given an empty catalog
      And metricd is running
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then the answer is 404
      When I import the catalog
      Then it succeeds
      When I ask for the metric "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6"
      Then the answer is 200
      And its records has 2 items

  Rule: A broken file is said with its place, and nothing is written

    Scenario Outline: A fault in a file: <fault>
      Given the sample catalog
      And in the file "<file>" '<old>' becomes '<new>'
      When I validate the catalog
      Then it exits with 2
      And the report finds
        | severity  | file   | place   | message   |
        | rejection | <file> | <place> | <message> |
      When I import the catalog
      Then it exits with 2
      And the report says that it wrote nothing
      And the report finds
        | severity  | file   | place   | message   |
        | rejection | <file> | <place> | <message> |

      Examples:
        | fault                  | file                | old                                                                | new                                                                                           | place                  | message       |
        | missing query          | metrics.json        | "queryId": "cmcxgnpq10001wpqk36vpzseb"                             | "queryId": "nowhere"                                                                          | $.items[3]             | nowhere       |
        | no UUID                | metrics.json        | "id": "c797b618-df12-45f7-bbb2-cc6695a48e46"                       | "id": "c797"                                                                                  | 9 $.items[1].id        | UUID          |
        | isEditable missing     | metrics.json        | "queryId": "cmcw3crxh0001poqkt5ctjjb0",\n        "isEditable": true | "queryId": "cmcw3crxh0001poqkt5ctjjb0"                                                        | $.items[1]             | isEditable    |
        | isEditable no boolean  | metrics.json        | "isEditable": true                                                 | "isEditable": "true"                                                                          | 6 $.items[0].isEditable | isEditable   |
        | query id missing       | metrics.json        | "queryId": "cmcw1zaxw0003p1qk1fo9ss8m",                            |                                                                                               | $.items[0]             | query         |
        | aliases in conflict    | metrics.json        | "queryId": "cmcw1zaxw0003p1qk1fo9ss8m",                            | "queryId": "cmcw1zaxw0003p1qk1fo9ss8m", "query_id": "cmcw3crxh0001poqkt5ctjjb0",               | $.items[0]             | query_id      |
        | x missing              | metrics.json        | "x": 0,                                                            |                                                                                               | $.layouts.lg[0]        | x             |
        | w no number            | metrics.json        | "w": 5                                                             | "w": "5"                                                                                      | $.layouts.lg[0].w      | w             |
        | h off the grid         | metrics.json        | "h": 4                                                             | "h": 0                                                                                        | $.layouts.lg[0].h      | h             |
        | broken JSON            | metrics.json        | "isEditable": true                                                 | "isEditable": tru                                                                             | 6                      |               |
        | real date              | metric_records.json | 2025-08-01T00:00:00                                                | 2025-02-30T00:00:00                                                                           | 4 $[0].date            | date          |
        | no date at all         | metric_records.json | "date": "2025-08-01T00:00:00",                                     |                                                                                               | $[0]                   | date          |
        | number in quotes       | metric_records.json | 120.50                                                             | "120.50"                                                                                      | 5 $[0].obsolescence    | number        |
        | number without end     | metric_records.json | 120.50                                                             | 1e999                                                                                         | $[0].obsolescence      | finite        |
        | integer out of range   | metric_records.json | "parts_flagged": 10                                                | "parts_flagged": 3000000000                                                                   | $[5].parts_flagged     | range         |
        | no integer             | metric_records.json | "parts_flagged": 10                                                | "parts_flagged": 10.5                                                                         | $[5].parts_flagged     | parts_flagged |
        | broken records         | metric_records.json | "alert_type": "Critical"                                           | "alert_type": Critical                                                                        | 15                     |               |
        | ragged row             | queries.csv         | cmcw3crxh0001poqkt5ctjjb0,"--                                      | cmcw3crxh0001poqkt5ctjjb0,extra,"--                                                           | 11                     |               |
        | header missing         | queries.csv         | id,query\n                                                         |                                                                                               | 1                      | header        |
        | header of another file | queries.csv         | id,query                                                           | id,sql                                                                                        | 1                      | query         |

    Scenario Outline: A query that is none: <fault>
      Given the sample catalog
      And the query "cmcw3crxh0001poqkt5ctjjb0" in the file is "<sql>"
      When I validate the catalog
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message   |
        | rejection | queries.csv | <line> | <message> |
      When I import the catalog
      Then it exits with 2
      And the report says that it wrote nothing

      Examples:
        | fault               | sql                                    | line | message      |
        | no SQL              | SELEKT 1                               | ?    | syntax       |
        | empty               |                                        | ?    | empty        |
        | only a comment      | -- nothing                             | ?    |              |
        | two statements      | SELECT 1; SELECT 2                     | ?    | one          |
        | a change            | DELETE FROM metrics                    | ?    | SELECT       |
        | a hidden change     | WITH x AS (DELETE FROM metrics RETURNING id) SELECT * FROM x | ? |   |
        | a new table         | SELECT 1 AS x INTO t                   | ?    | INTO         |
        | a lock              | SELECT id FROM metrics FOR UPDATE      | ?    |              |
        | unknown placeholder | SELECT\n:nonsense                      | ?    | :nonsense    |

    Scenario: A query that PostgreSQL refuses
      Given an empty catalog
      And the file "queries.csv" is
        """
        id,query
        a,"SELECT count(*) AS n
        FROM metrics WHERE dat >= CURRENT_DATE - 30"
        """
      When I run "metricd import --queries queries.csv --format json"
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message                                                                                                              |
        | rejection | queries.csv | 2     | the SQL of `a`, line 2, column 20 (line 3 of the file): the database rejected the query: column "dat" does not exist |

    Scenario Outline: A file that is no UTF-8: <file>
      Given the sample catalog
      And the file "<file>" holds no UTF-8 after "<part>"
      When I import the catalog
      Then it exits with 2
      And the report says that it wrote nothing
      And the report finds
        | severity  | file   | place | message |
        | rejection | <file> | ?     | UTF-8   |

      Examples:
        | file                | part         |
        | metrics.json        | def1fdce     |
        | queries.csv         | cost avoided |
        | metric_records.json | Critical     |

    Scenario: A file that is not there
      Given the sample catalog
      When I run "metricd import --metrics nowhere.json --queries queries.csv --format json"
      Then it fails
      And it says "nowhere.json"

    Scenario: Nothing of a broken catalog is written
      Given the sample catalog
      And the file "metrics.json" is
        """
        {"items": [{"id": "7d0f2a57-36a1-4b57-9d13-0d2f9a1a2f11", "queryId": "new", "isEditable": true}], "layouts": {}}
        """
      And the file "queries.csv" is
        """
        id,query
        new,"SELECT 1 AS x"
        """
      And in the file "metric_records.json" "2025-06-25T00:00:00" becomes "2025-06-31T00:00:00"
      When I import the catalog with "--prune"
      Then it exits with 2
      When metricd starts
      And I ask for "/metrics"
      Then its items has 5 items
      When I ask for the metric "7d0f2a57-36a1-4b57-9d13-0d2f9a1a2f11"
      Then the answer is 404
      When I ask for the metric "1379a764-2543-45fd-a78b-8c5a65827417"
      Then its records has 3 items

    Scenario: All faults of all files are found at once
      Given an empty catalog
      And in the file "metrics.json" '"id": "c797b618-df12-45f7-bbb2-cc6695a48e46"' becomes '"id": "c797"'
      And the query "cmcw1zaxw0003p1qk1fo9ss8m" in the file is "SELEKT 1"
      And in the file "metric_records.json" "2025-08-01T00:00:00" becomes "tomorrow"
      And in the file "metric_records.json" "70.5" becomes "true"
      When I validate the catalog
      Then it exits with 2
      And the report finds
        | severity  | file                | place                 | message |
        | rejection | metrics.json        | $.items[1].id         | UUID    |
        | rejection | queries.csv         | ?                     | syntax  |
        | rejection | metric_records.json | $[0].date             | date    |
        | rejection | metric_records.json | $[9].obsolescence_val | number  |

    Scenario: The same id for different metrics, and nothing shows which is which
      Given the sample catalog
      And in the file "metrics.json" every "1379a764-2543-45fd-a78b-8c5a65827417" becomes "53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c"
      When I import the catalog
      Then it exits with 2
      And the report finds
        | severity  | file         | place      | message                              |
        | rejection | metrics.json | $.items[4] | 53aaf9d4-04d3-43d3-9f40-6ce4a9282a5c |

    Scenario: The same query id for different texts
      Given the sample catalog
      And in the file "queries.csv" "cmcw3etd80002poqk6era3ko9," becomes "cmcw3crxh0001poqkt5ctjjb0,"
      When I import the catalog
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message                   |
        | rejection | queries.csv | ?     | cmcw3crxh0001poqkt5ctjjb0 |

  Rule: What is odd but no fault is a warning

    Scenario: An unused query, an ownerless layout, and records of an unknown query
      Given an empty catalog
      And the file "metrics.json" is
        """
        {
          "items": [
            {"id": "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6", "queryId": "a", "isEditable": true},
            {"id": "def1fdce-dac9-4c5a-a4a1-d7cbd01f6ed6", "query_id": "a", "isEditable": true}
          ],
          "layouts": {
            "lg": [{"i": "1379a764-2543-45fd-a78b-8c5a65827417", "x": 0, "y": 0, "w": 1, "h": 1}]
          }
        }
        """
      And the file "queries.csv" is
        """
        id,query
        a,SELECT 1 AS x
        b,SELECT 2 AS x
        a,SELECT 1 AS x
        """
      And the file "metric_records.json" is
        """
        [{"id": "c", "date": "2025-06-01T00:00:00"}]
        """
      When I import the catalog
      Then it succeeds
      And the report finds exactly
        | severity | file                | place           | message                              |
        | warning  | metrics.json        | 4 $.items[1].id | $.items[0].id                        |
        | warning  | metrics.json        | $.layouts.lg[0] | 1379a764-2543-45fd-a78b-8c5a65827417 |
        | warning  | queries.csv         | 3               | b                                    |
        | warning  | queries.csv         | 4               | a                                    |
        | warning  | metric_records.json | $[0]            | c                                    |
      And the report counts
        |         | created | updated | unchanged | removed |
        | queries | 2       | 0       | 0         | 0       |
        | metrics | 1       | 0       | 0         | 0       |
        | layouts | 0       | 0       | 0         | 0       |
        | records | 1       | 0       | 0         | 0       |

    Scenario: Strict takes no warnings
      Given an empty catalog
      And the file "metrics.json" is
        """
        {"items": [], "layouts": {}}
        """
      And the file "queries.csv" is
        """
        id,query
        a,SELECT 1 AS x
        """
      When I run "metricd import --metrics metrics.json --queries queries.csv --strict --format json"
      Then it exits with 2
      And the report finds
        | severity  | file        | place | message |
        | rejection | queries.csv | 2     | a       |
