Feature: Bad input
  Whatever is wrong with a request is said at once, in one form, and nothing else happens.

  Rule: Asking

    Background:
      Given the sample catalog
      And metricd is running

    Scenario: All faults of a request are named
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" with "start_date=2025-02-30&end_date=soon&day_range=-1&timezone=Mars/Olympus"
      Then the faults are
        | place            | type             | message       |
        | query.start_date | date_parsing     | YYYY-MM-DD    |
        | query.end_date   | date_parsing     | YYYY-MM-DD    |
        | query.day_range  | out_of_range     | 0 to 36500    |
        | query.timezone   | timezone_unknown | Europe/Berlin |
      And it is a problem: "4 errors"
      And its title is "Unprocessable Entity"
      And its type is "urn:metricd:problem:invalid-request"
      And one WARN line says "Validation error" with operation "get_metrics"
      And one INFO line says "Endpoint called" with status "422"

    Scenario Outline: One bad parameter
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" with "<given>"
      Then the faults are
        | place   | type   | message |
        | <place> | <type> |         |

      Examples:
        | given                          | place            | type             |
        | start_date=2025-06-31          | query.start_date | date_parsing     |
        | start_date=2025-6-1            | query.start_date | date_parsing     |
        | start_date=0000-01-01          | query.start_date | date_parsing     |
        | start_date=                    | query.start_date | date_parsing     |
        | end_date=2025-06-01T10:00:00   | query.end_date   | date_parsing     |
        | end_date=20250601              | query.end_date   | date_parsing     |
        | day_range=1e3                  | query.day_range  | int_parsing      |
        | day_range=1.0                  | query.day_range  | int_parsing      |
        | day_range=                     | query.day_range  | int_parsing      |
        | day_range=36501                | query.day_range  | out_of_range     |
        | day_range=99999999999999999999 | query.day_range  | out_of_range     |
        | timezone=Mars/Olympus          | query.timezone   | timezone_unknown |

    Scenario: A window that ends before it begins
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" from "2025-06-30" to "2025-06-01"
      Then the faults are
        | place            | type   | message |
        | query.start_date | window |         |
        | query.end_date   | window |         |
      And its type is "urn:metricd:problem:invalid-window"

    Scenario: A window that is too long
      When I ask for the metric "c797b618-df12-45f7-bbb2-cc6695a48e46" with "start_date=1900-01-01"
      Then the faults are
        | place            | type   | message |
        | query.start_date | window | 36500   |

    Scenario Outline: Not a UUID
      When I ask for "<path>"
      Then the faults are
        | place   | type         | message |
        | path.id | uuid_parsing |         |

      Examples:
        | path                            |
        | /metrics/c797                   |
        | /metrics/c797/query             |
        | /metrics/%27;DROP%20TABLE%20x-- |

    Scenario Outline: A bad page
      When I ask for "/metrics?<given>"
      Then the faults are
        | place   | type   | message |
        | <place> | <type> |         |

      Examples:
        | given       | place       | type         |
        | limit=0     | query.limit | out_of_range |
        | limit=many  | query.limit | int_parsing  |

    Scenario: No such place
      When I ask for "/nowhere"
      Then the answer is 404
      And it is a problem: "nowhere"
      And its type is "about:blank"
      And one INFO line says "Endpoint called" with
        | field     | value     |
        | operation | not_found |
        | status    | 404       |

    Scenario: A method that a place does not know
      When I send DELETE to "/health"
      Then the answer is 405
      And it is a problem: "does not support"
      And its type is "about:blank"
      And the answer's header "Allow" contains "GET"

  Rule: Sending

    Background:
      Given metricd is running
      And a metric with the query
        """
        SELECT parts_flagged FROM metrics
        """

    Scenario: All faults of a record are named
      When I add to the metric "{id}" the record
        """
        {
          "obsolescence_val": "1.5", "obsolescence": true, "parts_flagged": "5",
          "alert_type": 7, "alert_category": [], "date": "yesterday"
        }
        """
      Then the faults are
        | place                 | type         | message |
        | body.obsolescence_val | float_type   |         |
        | body.obsolescence     | float_type   |         |
        | body.parts_flagged    | int_type     |         |
        | body.alert_type       | string_type  |         |
        | body.alert_category   | string_type  |         |
        | body.date             | date_parsing |         |
      And it is a problem: "6 errors"
      And one WARN line says "Validation error" with operation "create_metric_record"
      When I ask for the metric "{id}"
      Then its records are []

    Scenario Outline: One bad value of a record
      When I add to the metric "{id}" the record
        """
        <record>
        """
      Then the faults are
        | place   | type   | message |
        | <place> | <type> |         |

      Examples:
        | record                        | place              | type         |
        | {"parts_flagged": 1.5}        | body.parts_flagged | int_type     |
        | {"parts_flagged": 2147483648} | body.parts_flagged | out_of_range |
        | {"obsolescence": 1e999}       | body               | json_invalid |
        | {"date": 20250601}            | body.date          | string_type  |
        | {"date": "2025-02-30"}        | body.date          | date_parsing |
        | {"alert_type": "a\\u0000b"}   | body.alert_type    | value_error  |
        | {"parts_flagged": 1           | body               | json_invalid |
        |                               | body               | json_invalid |
        | []                            | body               | object_type  |
        | "text"                        | body               | object_type  |

    Scenario: All faults of a new metric are named
      When I POST to "/metrics"
        """
        {
          "is_editable": 1,
          "layouts": [
            {"breakpoint": "lg", "x": -1, "y": 0, "w": 1},
            {"breakpoint": "lg", "x": 0, "y": "0", "w": 1, "h": 1, "static": "no"}
          ],
          "query": 5
        }
        """
      Then the faults are
        | place                 | type         | message |
        | body.is_editable      | bool_type    |         |
        | body.layouts.0.x      | out_of_range |         |
        | body.layouts.0.h      | missing      |         |
        | body.layouts.1.y      | int_type     |         |
        | body.layouts.1.static | bool_type    |         |
        | body.query            | string_type  |         |
      And one WARN line says "Validation error" with operation "create_metrics_configuration"

    Scenario: What a new metric must have
      When I POST to "/metrics"
        """
        {"query": "SELECT 1", "layouts": {}}
        """
      Then the faults are
        | place            | type      | message |
        | body.is_editable | missing   |         |
        | body.layouts     | list_type |         |

    Scenario: Unknown fields of a record
      When I add to the metric "{id}" the record
        """
        {"parts_flagged": 5, "colour": "red", "metric_id": "x"}
        """
      Then the faults are
        | place          | type    | message |
        | body.colour    | unknown |         |
        | body.metric_id | unknown |         |
      When I ask for the metric "{id}"
      Then its records are []

    Scenario: A body without a content type is JSON
      When I POST to "/metrics/{id}/metric-records" without a content type
        """
        {"parts_flagged": 5}
        """
      Then the answer is 201

    Scenario Outline: Content types
      When I POST to "/metrics/{id}/metric-records" as "<content type>"
        """
        {"parts_flagged": 5}
        """
      Then the answer is <status>

      Examples:
        | content type                      | status |
        | application/json; charset=utf-8   | 201    |
        | application/merge-patch+json      | 201    |
        | text/plain                        | 415    |
        | application/x-www-form-urlencoded | 415    |

    Scenario: A body of another type is refused in the usual form
      When I POST to "/metrics/{id}/metric-records" as "text/plain"
        """
        {"parts_flagged": 5}
        """
      Then the answer is 415
      And it is a problem: "must be JSON"

    Scenario: A body that is too large
      When I POST 5120 KiB to "/metrics/{id}/metric-records"
      Then the answer is 413
      And it is a problem: "too large"
      When I ask for the metric "{id}"
      Then its records are []

    Scenario: Faults come before the look-up of what is not there
      When I add to the metric "00000000-0000-4000-8000-000000000000" the record
        """
        {"parts_flagged": "many"}
        """
      Then the answer is 422
