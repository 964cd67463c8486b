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

  Scenario: A load balancer and a container ask
    Given metricd is running
    When I ask for "/health/ready"
    Then the answer is 200
    And the body is
      """
      {"ready": true}
      """
    When I ask for "/health/live"
    Then the answer is 200
    And the body mentions "version"

  Scenario: A health check of nothing
    When I run "metricd health --listen 127.0.0.1:1"
    Then it fails
    And it says "no metricd answers at 127.0.0.1:1"

  # Only a server outside can go away while metricd stays.
  @native
  Scenario: The database goes away
    Given metricd is running
    When the database goes away
    And I ask for "/health"
    Then the answer is 503
    And its database is false
    And its application is true
