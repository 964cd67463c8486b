Feature: The guides' commands
  What a guide shows works as it stands there.

  Background:
    Given "ann" is an admin
    And I am "ann"

  Scenario Outline: <page>
    Given metricd is running
    And a metric with the query
      """
      SELECT date, parts_flagged FROM metrics WHERE date >= :start_date
      """
    And the file "records.csv" is
      """
      date,parts_flagged
      2025-06-01,1
      """
    When I run the commands of "docs/guide/<page>"

    Examples:
      | page              |
      | adding-records.md |
      | exporting.md      |
      | retries.md        |
      | sentences.md      |
      | signing-in.md     |

  Scenario: Commands that need no server
    Given the file "orders.csv" is
      """
      id,placed_on,total
      1,2025-06-01,9.90
      """
    When I run the commands of "docs/guide/loading.md"
    And I run the commands of "docs/guide/rights.md"
    And I run the commands of "README.md"

  @native
  Scenario: Tables that others write to
    Given this SQL was run in the database
      """
      CREATE SCHEMA sales; CREATE TABLE sales.orders (id int) PARTITION BY RANGE (id);
      CREATE TABLE sales.orders_2025 PARTITION OF sales.orders FOR VALUES FROM (0) TO (100)
      """
    And metricd is running
    When I run the commands of "docs/guide/changes.md"
