# A server's database is backed up with PostgreSQL's own programs.
@embedded
Feature: Backup and restore
  One file has everything that is in the embedded engine's database.

  Scenario: What was backed up is there again
    Given "ann" is an admin
    And I am "ann"
    And the file "orders.csv" is
      """
      id,total
      1,9.90
      2,0.10
      """
    And I run "metricd load orders.csv --table orders"
    And metricd is running
    And a metric with the query
      """
      SELECT sum(total) AS total FROM orders
      """
    And I remember its id as "orders"
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT sum(parts_flagged) AS flagged FROM metrics"}
      """
    When I add to the metric "{id}" the record
      """
      {"parts_flagged": 7}
      """
    And I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT sum(parts_flagged) AS parts FROM metrics"}
      """
    And metricd stops
    And I run "metricd backup {folder}/all.backup"
    Then it succeeds
    And it says "Backed up"
    And it says "database: the embedded engine in {folder}/data"
    And only its owner may read the file "all.backup"
    When I run "metricd restore {folder}/all.backup --data-dir {folder}/again"
    Then it succeeds
    And it says "Restored"
    And only its owner may look into the folder "again"
    When metricd starts with "--data-dir {folder}/again"
    And I ask for the metric "{orders}"
    Then its records are [{"total": 10.00}]
    When I ask for the metric "{id}"
    Then its records are [{"parts": 7}]
    When I ask for "/metrics/{id}/versions"
    Then its items has 1 item
    And "ann" reads 3 events of "metric_id={id}" in pages of 5
    # What was restored is backed up as well.
    When metricd stops
    And I run "metricd backup {folder}/second.backup --data-dir {folder}/again"
    Then it succeeds
    When I run "metricd restore {folder}/second.backup --data-dir {folder}/third"
    Then it succeeds
    When I run "metricd query {orders} --format json --data-dir {folder}/third"
    Then it prints
      """
      [{"total": 10.00}]
      """

  Scenario: A folder that is in use is not backed up
    Given metricd is running
    When I run "metricd backup {folder}/all.backup"
    Then it fails
    And it says "stop the metricd that serves it"
    And it says "in use by another process"

  Scenario: Neither a file nor a folder is written over
    Given I run "metricd migrate"
    And the file "all.backup" is "mine"
    When I run "metricd backup {folder}/all.backup"
    Then it fails
    And it says "exists already"
    When I run "metricd backup {folder}/new.backup"
    Then it succeeds
    When I run "metricd restore {folder}/new.backup"
    Then it fails
    And it says "is not empty"
    And it says "--data-dir"

  Scenario: A restore that was killed is done again
    Given I run "metricd migrate"
    And I run "metricd backup {folder}/all.backup"
    And a restore into the file system "again" was killed
    When I run "metricd migrate --data-dir {folder}/again"
    Then it fails
    And it says "was broken off"
    And it says "run `metricd restore`"
    When I run "metricd restore {folder}/all.backup --data-dir {folder}/again"
    Then it succeeds
    When I run "metricd migrate --data-dir {folder}/again"
    Then it succeeds

  Scenario: What is no whole backup is not restored
    Given I run "metricd migrate"
    And I run "metricd backup {folder}/all.backup"
    Then these copies of the backup "all.backup" are not restored
      | what                             | said                            |
      | cut in the middle                | is damaged                      |
      | with one byte changed            | is damaged                      |
      | a text                           | is not a backup                 |
      | of a schema of the year 2999     | restore it with that version    |
      | of PostgreSQL 99                 | with the files of PostgreSQL 99 |
      | of a format to come              | restore it with that version    |

  Scenario: There is nothing to back up
    When I run "metricd backup {folder}/all.backup --data-dir {folder}/nothing"
    Then it fails
    And it says "no database in the data folder"
    And there is no folder "nothing"

  Scenario: A server is backed up otherwise
    Given the setting "DATABASE_URL" is "postgres://127.0.0.1:1/shop"
    When I run "metricd backup {folder}/all.backup"
    Then it fails
    And it says "pg_dump"
