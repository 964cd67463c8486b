Feature: Health
  A monitor learns without a token whether the service can answer.

  Scenario: A healthy service
    Given metricd is running
    When I ask for "/health"
    Then the answer is 200
    And the body is
      """
      {"application": true, "database": true}
      """
    And one INFO line says "Endpoint called" with
      | field       | value       |
      | operation   | get_health  |
      | status      | 200         |
      | request_id  | <something> |
      | duration_ms | <something> |
    And every log line is JSON with a timestamp, a level and an event

  # Only a server outside can go away while metricd stays.
  @native
  Scenario: The database goes away
    Given metricd is running
    When the database goes away
    And I ask for "/health"
    Then the answer is 503
    And its database is false
    And its application is true
