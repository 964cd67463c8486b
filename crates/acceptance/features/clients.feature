# The tools see HTTP and the document alone: one engine is enough.
@native
Feature: Clients that are generated from the OpenAPI document
  What the document says is true, and enough for clients with types.

  Background:
    Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "0"
    And the sample catalog
    And metricd is running

  Scenario: The document has no errors
    When redocly lints the OpenAPI document
    Then it succeeds

  Scenario: A client in TypeScript
    When a generated TypeScript client is compiled and calls metricd
    Then it succeeds
    And it says "all calls are answered"

  Scenario: A client in Python
    When a generated Python client is compiled and calls metricd
    Then it succeeds
    And it says "all calls are answered"

  Scenario: The server does what the document says
    When schemathesis tries every operation
    Then it succeeds
