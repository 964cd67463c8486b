Feature: Approval
  Where approval is required, a generated metric cannot be read until a caller with the permission has
  approved it. Until then it is visible only to callers who can approve or edit it.

  Background:
    Given the setting "METRICD_GENERATION__APPROVAL" is "required"
    And metricd is running
    And "ann" is an editor
    And "bob" is a viewer

  Scenario: A proposal, its approval, and its first answer
    Given I am "ann"
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "qwertz asdfgh"}
      """
    When I ask for the metric "{id}"
    Then the answer is 409
    And it is a problem: "awaits approval"
    And its type is "urn:metricd:problem:metric-awaits-approval"
    When I ask for "/metrics"
    Then its items.0.review is "waiting"
    When I ask for "/metrics/{id}/query"
    Then the answer is 200
    When "bob" asks for the metric "{id}"
    Then the answer is 404
    When "bob" asks for "/metrics"
    Then its items are []
    Given I am "bob"
    When I send POST to "/metrics/{id}/approve"
    Then the answer is 403
    Given I am "ann"
    And the next request has the header "X-Request-Id" "approve-1"
    When I send POST to "/metrics/{id}/approve"
    Then the answer is 200
    And its review is "approved"
    When "bob" asks for the metric "{id}"
    Then the answer is 200
    And its review is "approved"
    Given I am an admin
    Then the audit of the request "approve-1" contains
      """
        {"subject": "ann", "action": "approve", "object": {"kind": "metric", "id": "{id}"}, "version": 1, "outcome": "done"}
      """

  Scenario: An edit of the query voids the approval, other edits do not
    Given I am "ann"
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "qwertz asdfgh"}
      """
    When I send POST to "/metrics/{id}/approve"
    And I PATCH to "/metrics/{id}"
      """
      {"name": "Of its own"}
      """
    Then its review is "approved"
    When I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 1 AS x"}
      """
    Then its review is "waiting"
    When "bob" asks for the metric "{id}"
    Then the answer is 404
    When I send POST to "/metrics/{id}/approve"
    And "bob" asks for the metric "{id}"
    Then its records are [{"x": 1}]
    When I POST to "/metrics/{id}/rollback"
      """
      {"version": 1}
      """
    Then its review is "waiting"

  Scenario: What was approved is what was looked at
    Given I am "ann"
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "qwertz asdfgh"}
      """
    When I PATCH to "/metrics/{id}"
      """
      {"query": "SELECT 1 AS x"}
      """
    And I send POST to "/metrics/{id}/approve?query_version=1"
    Then the answer is 409
    And it is a problem: "version 2"
    And its type is "urn:metricd:problem:query-modified"
    When "bob" asks for the metric "{id}"
    Then the answer is 404
    When I send POST to "/metrics/{id}/approve?query_version=two"
    Then the answer is 422
    When I send POST to "/metrics/{id}/approve?query_version=2"
    Then the answer is 200

  Scenario: SQL that a person wrote needs no approval
    Given I am "ann"
    And I have made the metric
      """
      {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
      """
    When "bob" asks for the metric "{id}"
    Then the answer is 200
    And its review is "not_needed"
    When I send POST to "/metrics/{id}/approve"
    Then the answer is 200
    And its review is "not_needed"

  Scenario: The command line waits as well
    Given I have made the metric
      """
      {"is_editable": true, "layouts": [], "query_generation_prompt": "qwertz asdfgh"}
      """
    When metricd stops
    And I run "metricd query {id}"
    Then it fails
    And it says "awaits approval"
