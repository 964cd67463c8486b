Feature: Adding records
  A record belongs to a metric, is there in the next answer, and is never lost once it was taken.

  Background:
    Given the clock says "2025-08-05T12:00:00Z"
    And metricd is running
    And a metric with the query
      """
      SELECT date, obsolescence_val, obsolescence, parts_flagged, alert_type, alert_category
      FROM metrics ORDER BY date
      """

  Scenario: Every field
    When I add to the metric "{id}" the record
      """
      {
        "obsolescence_val": 0.1, "obsolescence": -12.5, "parts_flagged": 2147483647,
        "alert_type": "Critical", "alert_category": "Need approval", "date": "2025-06-03T10:30:00"
      }
      """
    Then the answer is 201
    And the body is empty
    And one INFO line says "Endpoint called" with
      | field     | value                |
      | operation | create_metric_record |
      | status    | 201                  |
      | metric_id | {id}                 |
    And no log line contains "Need approval"
    When I ask for the metric "{id}"
    Then its records are
      """
      [{
        "date": "2025-06-03T10:30:00", "obsolescence_val": 0.1, "obsolescence": -12.5,
        "parts_flagged": 2147483647, "alert_type": "Critical", "alert_category": "Need approval"
      }]
      """

  Scenario: No field at all: the record of this moment
    When I add to the metric "{id}" the record
      """
      {}
      """
    Then the answer is 201
    When I ask for the metric "{id}"
    Then its records are
      """
      [{
        "date": "2025-08-05T12:00:00", "obsolescence_val": null, "obsolescence": null,
        "parts_flagged": null, "alert_type": null, "alert_category": null
      }]
      """

  Scenario: Equal records are two records
    Given the metric has the record
      """
      {"parts_flagged": 1, "date": "2025-06-03T00:00:00"}
      """
    And the metric has the record
      """
      {"parts_flagged": 1, "date": "2025-06-03T00:00:00"}
      """
    When I ask for the metric "{id}"
    Then its records has 2 items

  Scenario: Many clients at once
    When 20 clients at once add to the metric "{id}" the record
      """
      {"parts_flagged": 1, "date": "2025-06-03T00:00:00"}
      """
    Then each of the 20 answers is 201
    When I ask for the metric "{id}"
    Then its records has 20 items

  Scenario Outline: A date in each of its spellings
    When I add to the metric "{id}" the record
      """
      {"date": "<written>"}
      """
    Then the answer is 201
    When I ask for the metric "{id}"
    Then its records.0.date is "<kept>"

    Examples:
      | written                   | kept                |
      | 2025-06-03                | 2025-06-03T00:00:00 |
      | 2025-06-03T10:30:00       | 2025-06-03T10:30:00 |
      | 2025-06-03T10:30:00Z      | 2025-06-03T10:30:00 |
      | 2025-06-03T10:30:00+02:00 | 2025-06-03T08:30:00 |

  Scenario: A metric that is not there
    When I add to the metric "00000000-0000-4000-8000-000000000000" the record
      """
      {"parts_flagged": 1}
      """
    Then the answer is 404
    And it is a problem: "Metric not found"

  Scenario: A crash right after the answer loses nothing
    When I add to the metric "{id}" the record
      """
      {"parts_flagged": 41, "date": "2025-06-03T00:00:00"}
      """
    And metricd is killed
    And metricd starts again
    And I ask for the metric "{id}"
    Then its records has 1 item
    And its records.0.parts_flagged is 41
    When I add to the metric "{id}" the record
      """
      {"parts_flagged": 42, "date": "2025-06-04T00:00:00"}
      """
    And metricd is killed
    And metricd starts again
    And I ask for the metric "{id}"
    Then its records has 2 items

  Rule: Many at once

    Background:
      Given a metric with the query
        """
        SELECT alert_type, obsolescence, parts_flagged, date FROM metrics ORDER BY parts_flagged
        """

    Scenario: As JSON lines
      When I POST to "/metrics/{id}/metric-records" as "application/x-ndjson"
        """
        {"parts_flagged": 1, "obsolescence": 0.1, "date": "2025-06-01"}

        {"parts_flagged": 2, "alert_type": "a\nb", "date": "2025-06-02T12:00:00Z"}
        """
      Then the answer is 201
      And its created is 2
      When I ask for the metric "{id}"
      Then its records are
        """
        [
          {"alert_type": null, "obsolescence": 0.1, "parts_flagged": 1, "date": "2025-06-01T00:00:00"},
          {"alert_type": "a\nb", "obsolescence": null, "parts_flagged": 2, "date": "2025-06-02T12:00:00"}
        ]
        """

    Scenario: A line with a field that no record has keeps all of them out
      When I POST to "/metrics/{id}/metric-records" as "application/x-ndjson"
        """
        {"parts_flagged": 1}
        {"parts_flagged": 2, "partsFlagged": 2}
        {"parts_flagged": 3, "parts_flagged": 4}
        """
      Then the faults are
        | place                | type     | message                    |
        | body.2.partsFlagged  | unknown  | did you mean parts_flagged |
        | body.3.parts_flagged | repeated |                            |
      When I ask for the metric "{id}"
      Then its records are []

    Scenario: As CSV
      When I POST to "/metrics/{id}/metric-records" as "text/csv; charset=utf-8"
        """
        date,note,parts_flagged,alert_type
        2025-06-01,x,1,"a ""quoted"", text"
        2025-06-02,,2,
        """
      Then the answer is 201
      And its created is 2
      When I ask for the metric "{id}"
      Then its records are
        """
        [
          {"alert_type": "a \"quoted\", text", "obsolescence": null, "parts_flagged": 1, "date": "2025-06-01T00:00:00"},
          {"alert_type": null, "obsolescence": null, "parts_flagged": 2, "date": "2025-06-02T00:00:00"}
        ]
        """

    Scenario: One fault keeps all of them out, and every fault is told by its line
      When I POST to "/metrics/{id}/metric-records" as "application/x-ndjson"
        """
        {"parts_flagged": 1}
        {"parts_flagged": 1.5}
        nonsense
        """
      Then the faults are
        | place                | type         | message        |
        | body.2.parts_flagged | int_type     | a whole number |
        | body.3               | json_invalid | is not JSON    |
      When I ask for the metric "{id}"
      Then its records are []

    Scenario: Sent again, they are added once
      When the next request has the header "Idempotency-Key" "many"
      And I POST to "/metrics/{id}/metric-records" as "text/csv"
        """
        parts_flagged
        1
        """
      Then its created is 1
      When the next request has the header "Idempotency-Key" "many"
      And I POST to "/metrics/{id}/metric-records" as "text/csv"
        """
        parts_flagged
        1
        """
      Then the answer is 201
      And its created is 1
      And the answer's header "Idempotency-Replayed" is "true"
      When I ask for the metric "{id}"
      Then its records has 1 items
