Feature: The documentation
  What the README and a guide show works as it stands there: commands and what they print, SQL, settings, policies.
  A command in a sentence is run, too; a flag, a request, a setting is there.

  Background:
    Given "ann" is an admin
    And I am "ann"

  Scenario Outline: <page>
    Given the file "orders.csv" is
      """
      id,ordered_at,placed_at,amount,total,tenant_id
      1,2025-06-01T10:00:00Z,2025-06-01 10:00:00,9.90,9.90,acme
      """
    And I run "metricd load orders.csv --table orders --type placed_at=timestamp"
    And the file "records.csv" is
      """
      date,parts_flagged
      2025-06-01,1
      """
    And the file "records.json" is
      """
      []
      """
    And the setting "METRICD_CLAIMS__TENANT_ID" is "custom:tenant_id"
    And metricd is running
    And a metric with the query
      """
      SELECT date, parts_flagged FROM metrics WHERE date >= :start_date
      """
    When I follow "docs/guide/<page>"

    Examples:
      | page                |
      | adding-records.md   |
      | exporting.md        |
      | retries.md          |
      | sentences.md        |
      | signing-in.md       |
      | time-zones.md       |
      | writing-sql.md      |

  Scenario: Pages that need no server
    Given the file "orders.csv" is
      """
      id,placed_on,total
      1,2025-06-01,9.90
      """
    And the file "records.json" is
      """
      []
      """
    And the file "bad.cedar" is
      """
      @id("finance")
      permit (principal, action == Action::"reed", resource);
      """
    When I follow "docs/guide/loading.md"
    And I follow "docs/guide/rights.md"
    And I follow "docs/guide/backup.md"
    And I follow "docs/guide/caching.md"
    And I follow "docs/guide/changing-metrics.md"
    And I follow "docs/guide/container.md"
    And I follow "docs/guide/errors.md"
    And I follow "docs/guide/kubernetes.md"
    And I follow "docs/guide/models.md"
    And I follow "docs/guide/monitoring.md"
    And I follow "docs/guide/operating.md"
    And I follow "docs/guide/pipelines.md"
    And I follow "docs/guide/requests.md"
    And I follow "docs/guide/runbook.md"
    And I follow "docs/guide/scaling.md"
    And I follow "docs/guide/settings.md"
    And I follow "docs/guide/aws.md"

  @native
  Scenario: Tables that others write to, and what the reader may read
    Given this SQL was run in the database
      """
      CREATE SCHEMA sales; CREATE TABLE sales.orders (id int) PARTITION BY RANGE (id);
      CREATE TABLE sales.orders_2025 PARTITION OF sales.orders FOR VALUES FROM (0) TO (100);
      CREATE TABLE orders (id int); CREATE TABLE staff (name text, salary int)
      """
    And metricd is running
    When I follow "docs/guide/changes.md"
    And I follow "docs/guide/postgresql.md"
    And I follow "docs/guide/hardening.md"
    And I run the statements of "README.md"

  # The README is for a new user, who has no server yet.
  @embedded
  Scenario: The first metric
    Given the clock says "2026-11-23T16:11:50.132Z"
    And the file "orders.csv" is
      """
      id,placed_on,total
      1,2025-06-01,9.90
      """
    When I follow "README.md"

  Scenario: No page is left out
    Then every page is followed by a scenario of this feature

  Scenario Outline: A page that shows what is not so is refused: <what>
    Then this page is refused
      """
      <page>

      '''<language>
      <block>
      '''
      """

    Examples:
      | what                    | page                               | language | block                                                         |
      | a command               | nothing                            | sh       | metricd no-such-command                                       |
      | what a command prints   | nothing                            | console  | $ metricd policy check --action edit --role editor\nDeny      |
      | a command in a sentence | `metricd no-such-command`          |          |                                                               |
      | its flag                | `metricd load a.csv --no-flag a`   |          |                                                               |
      | a flag in a sentence    | `--no-such-flag`                   |          |                                                               |
      | a call in a sentence    | `curl http://127.0.0.1:1/metrics`  |          |                                                               |
      | a target                | `make no-such-target`              |          |                                                               |
      | a path                  | `GET /no-such-path`                |          |                                                               |
      | a parameter             | `GET /metrics?no_such_parameter=1` |          |                                                               |
      | a setting's name        | `limits.no_such_setting`           |          |                                                               |
      | a setting's variable    | `METRICD_NO_SUCH_SETTING=1`        |          |                                                               |
      | a setting's value       | `query.timezone = "Nowhere"`       |          |                                                               |
      | settings                | nothing                            | toml     | [limits]\nno_such_setting = 1                                 |
      | a policy                | nothing                            | cedar    | permit (principal, action == Action::"reed", resource);       |
      | JSON                    | nothing                            | json     | {"a": 1,}                                                     |
      | a language              | nothing                            | python   | print(1)                                                      |

  Scenario Outline: SQL that is refused, or loses the last day, is no example
    Given metricd is running
    Then this page is refused
      """
      '''sql
      SELECT count(*) AS n FROM metrics WHERE <condition>;
      '''
      """

    Examples:
      | condition           |
      | pg_sleep(1) IS NULL |
      | date <= :end_date   |
