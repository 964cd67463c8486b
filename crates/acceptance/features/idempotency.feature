Feature: Requests that take effect once
  A client that does not know whether a request arrived repeats it with the same Idempotency-Key: it
  takes effect once, and has the same response.

  Background:
    Given "ann" is an editor
    And "bob" is an editor
    And metricd is running
    And I am "ann"

  Scenario: A metric is made once
    When the next request has the header "Idempotency-Key" "make-1"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the answer is 201
    And the answer has no header "Idempotency-Replayed"
    And I remember the header "Location" as "place"
    When the next request has the header "Idempotency-Key" "make-1"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the answer is 201
    And the answer's header "Idempotency-Replayed" is "true"
    And the answer's header "Location" is "{place}"
    When I send GET to "/metrics"
    Then its items has 1 items

  Scenario: A record is added once, also when metricd was killed in between
    Given a metric with the query
      """
      SELECT count(*) AS n FROM metrics
      """
    When the next request has the header "Idempotency-Key" "add-1"
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201
    When metricd is killed
    And metricd starts
    And the next request has the header "Idempotency-Key" "add-1"
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201
    And the body is empty
    And the answer's header "Idempotency-Replayed" is "true"
    When I ask for the metric "{id}"
    Then its records are [{"n": 1}]

  Scenario: A key stands for one request of one caller
    Given a metric with the query
      """
      SELECT count(*) AS n FROM metrics
      """
    When the next request has the header "Idempotency-Key" "add-2"
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 201
    When the next request has the header "Idempotency-Key" "add-2"
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 2}
      """
    Then the faults are
      | place                  | type      | message                       |
      | header.idempotency-key | key_taken | was used for a different request |
    And its type is "urn:metricd:problem:idempotency-key-reused"
    Given I am "bob"
    When the next request has the header "Idempotency-Key" "add-2"
    And I add to the metric "{id}" the record
      """
      {"parts_flagged": 2}
      """
    Then the answer is 201
    When I ask for the metric "{id}"
    Then its records are [{"n": 2}]

  Scenario: A key is not shared by two tenants of one subject
    Given the setting "METRICD_CLAIMS__TENANT_ID" is "custom:tenant_id"
    And I am an editor named "cat" with the claim "custom:tenant_id" "acme"
    When metricd stops
    And metricd starts again
    And the next request has the header "Idempotency-Key" "make-3"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the answer is 201
    And I remember the header "Location" as "of_acme"
    Given I am an editor named "cat" with the claim "custom:tenant_id" "globex"
    When the next request has the header "Idempotency-Key" "make-3"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the answer is 201
    And the answer has no header "Idempotency-Replayed"
    Given I am an editor named "cat" with the claim "custom:tenant_id" "acme"
    When the next request has the header "Idempotency-Key" "make-3"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the answer is 201
    And the answer's header "Idempotency-Replayed" is "true"
    And the answer's header "Location" is "{of_acme}"

  Scenario: What fails leaves the key free
    When the next request has the header "Idempotency-Key" "make-2"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT n FROM missing"}
      """
    Then the answer is 422
    When the next request has the header "Idempotency-Key" "make-2"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the answer is 201
    And the answer has no header "Idempotency-Replayed"

  Scenario Outline: What is no key is a fault: <key>
    When the next request has the header "Idempotency-Key" "<key>"
    And I POST to "/metrics"
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS n"}
      """
    Then the faults are
      | place                  | type        | message               |
      | header.idempotency-key | value_error | visible ASCII         |

    Examples:
      | key     |
      | two words |
