Feature: A full disk
  Metrics are answered, who writes is told, and with room again all is as before.

  Background:
    Given the setting "METRICD_CACHE__TTL" is "0s"
    And the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "0"
    And a small disk in the folder "small"

  @embedded
  Scenario: The disk of the data folder
    Given metricd is running with "--data-dir {folder}/small/data"
    And a metric with the query
      """
      SELECT count(*) > 0 AS any FROM metrics
      """
    When I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201
    # The engine is left what it needs itself.
    When the small disk is filled but for 200 MiB
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 503
    And its type is "urn:metricd:problem:disk-full"
    And the answer has the header "Retry-After"
    And one WARN line mentions "MiB free in"
    When I ask for the metric "{id}"
    Then its records are [{"any": true}]
    # Others have taken that, too.
    When the small disk is filled but for 0 MiB
    And I ask for the metric "{id}"
    Then its records are [{"any": true}]
    When I run "metricd doctor --data-dir {folder}/small/data"
    Then it exits with 2
    And it prints "fault   disk      0 MiB free"
    When metricd stops
    And I run "metricd migrate --data-dir {folder}/small/data"
    Then it fails
    And it says "its disk is full: make room"
    When there is room on the small disk again
    And metricd starts with "--data-dir {folder}/small/data"
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201

  @native
  Scenario: The disk of a server
    Given a PostgreSQL on the small disk
    And metricd is running
    And a metric with the query
      """
      SELECT count(*) > 0 AS any FROM metrics
      """
    When I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201
    When the small disk is filled but for 0 MiB
    And I add records to the metric "{id}" until the answer is 503
    Then its type is "urn:metricd:problem:disk-full"
    And the answer has the header "Retry-After"
    And one WARN line mentions "No space left on device"
    When I ask for the metric "{id}"
    Then its records are [{"any": true}]
    When metricd stops
    And metricd starts
    And I ask for the metric "{id}"
    Then its records are [{"any": true}]
    When there is room on the small disk again
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201
