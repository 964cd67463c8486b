Feature: Requests that say what they mean
  A name that metricd does not know is a mistake, not a wish that may be passed over.

  Rule: Query parameters

    Background:
      Given metricd is running
      And a metric with the query
        """
        SELECT parts_flagged FROM metrics WHERE date BETWEEN :start_date AND :end_date
        """

    Scenario Outline: A parameter that is unknown or repeated: <given>
      When I ask for the metric "{id}" with "<given>"
      Then the faults are
        | place   | type   | message   |
        | <place> | <type> | <message> |

      Examples:
        | given                                       | place            | type     | message                     |
        | start=2025-06-01                            | query.start      | unknown  | did you mean start_date?    |
        | startDate=2025-06-01                        | query.startDate  | unknown  | did you mean start_date?    |
        | end-date=2025-06-01                         | query.end-date   | unknown  | did you mean end_date?      |
        | region=north                                | query.region     | unknown  | start_date, end_date        |
        | start_date=2025-06-01&start_date=2025-06-02 | query.start_date | repeated | more than once              |
        | day_range=7&_=1&day_range=7                 | query.day_range  | repeated | more than once              |

    Scenario Outline: What proxies and campaigns add is ignored: <given>
      When I ask for the metric "{id}" with "<given>"
      Then the answer is 200

      Examples:
        | given                                |
        | _=1751284800                         |
        | _=1&_=2                              |
        | utm_source=mail&utm_source=mail      |
        | start_date=2025-06-01&_cache=no      |

    Scenario Outline: Every route that needs a token knows its parameters: <method> <path>
      When I send <method> to "<path>"
      Then the answer is 422
      And its errors.0.type is "unknown"

      Examples:
        | method | path                           |
        | GET    | /metrics?page=2                |
        | GET    | /tables?q=orders               |
        | GET    | /audit?user=ann                |
        | GET    | /metrics/{id}/query?version=1  |
        | GET    | /metrics/{id}/versions?page=2  |
        | DELETE | /metrics/{id}?force=true       |

    Scenario Outline: An open route ignores them: <path>
      When I ask for "<path>"
      Then the answer is 200

      Examples:
        | path                    |
        | /health?probe=1&probe=2 |
        | /openapi.json?v=3       |
        | /auth/config?x=1        |

    Scenario: The command line is as strict
      When metricd stops
      And I run "query {id} --start 2025-06-01"
      Then it exits with 2
      And it says "--start-date"
      When I run "query {id} --start-date 2025-06-01 --start-date 2025-06-02"
      Then it exits with 2
      And it says "cannot be used multiple times"
      When I run "query {id} --claim tenant=a --claim tenant=b"
      Then it exits with 2
      And it says "tenant"

  Rule: Bodies

    Background:
      Given metricd is running
      And I have made the metric
        """
        {
          "is_editable": true, "query": "SELECT 1 AS x", "owner": "Ann", "display": {"chart": "bar", "unit": "€"},
          "layouts": [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1, "i": "tile-1", "moved": false}]
        }
        """

    Scenario: The owner and the display of a new metric are taken, and a grid's own keys
      When I ask for the metric "{id}"
      Then the body contains
        """
        {
          "owner": "Ann", "display": {"chart": "bar", "unit": "€"},
          "layouts": [{"breakpoint": "lg", "x": 0, "y": 0, "w": 1, "h": 1, "static": null}]
        }
        """

    Scenario Outline: An unknown field is refused: <method> <path>
      When I <method> to "<path>"
        """
        <body>
        """
      Then the faults are
        | place   | type    | message   |
        | <place> | unknown | <nearest> |

      Examples:
        | method | path                          | body                                                                         | place               | nearest          |
        | POST   | /metrics                      | {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x", "title": "T"} | body.title          | description      |
        | POST   | /metrics/preview              | {"sql": "SELECT 1 AS x", "query": "SELECT 1 AS x"}                           | body.sql            | query            |
        | PATCH  | /metrics/{id}                 | {"Name": "X"}                                                                | body.Name           | did you mean name|
        | PATCH  | /metrics/{id}                 | {"display": {"color": "red"}}                                                | body.display.color  | chart, unit      |
        | POST   | /metrics/{id}/rollback        | {"version": 1, "force": true}                                                | body.force          | version          |
        | POST   | /metrics/{id}/metric-records  | {"partsFlagged": 1}                                                          | body.partsFlagged   | parts_flagged    |
        | POST   | /metrics/{id}/approve         | {"query_version": 1}                                                         | body                | takes no body    |
        | POST   | /tables/public.metrics/changed | {"rows": 1}                                                                 | body                | takes no body    |

    Scenario: What was read can be changed and sent back
      When I ask for the metric "{id}"
      And I remember its as_of as "as_of"
      And I PATCH to "/metrics/{id}"
        """
        {
          "id": "{id}", "name": "Changed", "description": null, "owner": "Ann", "tags": [],
          "display": {"chart": "bar", "unit": "€"}, "cache_ttl_seconds": null, "is_editable": true,
          "layouts": [], "layout_version": 1, "query_version": 1, "review": "not_needed",
          "columns": [], "records": [], "truncated": false, "params": {}, "as_of": "{as_of}"
        }
        """
      Then the answer is 200
      And its name is "Changed"
      And its layouts has 1 item

    Scenario: A key that is given twice
      When I PATCH to "/metrics/{id}"
        """
        {"name": "One", "display": {"unit": "a", "unit": "b"}, "name": "Two"}
        """
      Then the faults are
        | place             | type     | message        |
        | body.display.unit | repeated | more than once |
        | body.name         | repeated | more than once |

    Scenario Outline: A charset that is not understood: <content type>
      When I POST to "/metrics/{id}/metric-records" as "<content type>"
        """
        {"parts_flagged": 5}
        """
      Then the answer is <status>

      Examples:
        | content type                         | status |
        | application/json; charset=UTF-8      | 201    |
        | application/json; charset=iso-8859-1 | 415    |
        | application/json; charset=utf-16     | 415    |
        | text/csv; charset=windows-1252       | 415    |

    Scenario: A body that is encoded
      When the next request has the header "Content-Encoding" "gzip"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "One"}
        """
      Then the answer is 415
      And it is a problem: "Content-Encoding"
      When the next request has the header "Content-Encoding" "identity"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "One"}
        """
      Then the answer is 200

  Rule: Preconditions

    Background:
      Given metricd is running
      And a metric with the query
        """
        SELECT parts_flagged FROM metrics
        """

    Scenario: A change is made to the metric as it was read
      When I ask for the metric "{id}"
      And I remember the header "ETag" as "tag"
      # Other rows are not another metric.
      Given the metric has the record
        """
        {"parts_flagged": 1}
        """
      When the next request has the header "If-Match" "{tag}"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "Mine"}
        """
      Then the answer is 200
      And I remember the header "ETag" as "newer"
      When the next request has the header "If-Match" "{tag}"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "Theirs"}
        """
      Then the answer is 412
      And it is a problem: "modified concurrently"
      And its type is "urn:metricd:problem:metric-modified"
      When the next request has the header "If-Match" "{newer}"
      And I PATCH to "/metrics/{id}"
        """
        {"description": "Mine too"}
        """
      Then the answer is 200
      And its name is "Mine"

    Scenario: It serves to move tiles as well
      When I ask for the metric "{id}"
      And I remember the header "ETag" as "tag"
      And the next request has the header "If-Match" "{tag}"
      And I PUT to "/metrics/{id}/layouts"
        """
        [{"breakpoint": "lg", "x": 0, "y": 0, "w": 2, "h": 2}]
        """
      Then the answer is 200
      When the next request has the header "If-Match" "{tag}"
      And I PUT to "/metrics/{id}/layouts"
        """
        []
        """
      Then the answer is 412

    Scenario: A precondition that cannot be read
      When the next request has the header "If-Match" "1"
      And I PATCH to "/metrics/{id}"
        """
        {"name": "Mine"}
        """
      Then the faults are
        | place           | type        | message |
        | header.if-match | value_error | ETag    |

  Rule: Formats

    Scenario Outline: "<accept>" accepts none of the formats of <path>
      Given metricd is running
      And a metric with the query
        """
        SELECT 1 AS x
        """
      And the next request has the header "Accept" "<accept>"
      When I ask for "<path>"
      Then the answer is 406
      And it is a problem: "<formats>"
      And the answer's header "Content-Type" is "application/problem+json"

      Examples:
        | accept                       | path               | formats          |
        | text/html                    | /metrics/{id}      | text/csv         |
        | application/xml, image/*     | /metrics/{id}      | application/json |
        | text/csv                     | /metrics           | application/json |
        | application/json;q=0         | /tables            | application/json |

  Rule: Rates

    Scenario: Every answer to a caller tells what is left
      Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "1"
      And the setting "METRICD_LIMITS__BURST" is "30"
      And metricd is running
      When I ask for "/metrics"
      Then the answer's header "RateLimit-Policy" is '"caller";q=30;w=30'
      And the answer's header "RateLimit" contains '"caller";r=29;t='
      When I ask for "/nowhere"
      Then the answer is 404
      And the answer's header "RateLimit" contains '"caller";r='
      When I ask for "/metrics" until the answer is 429
      Then the answer's header "RateLimit" contains '"caller";r=0;t='
      And the answer has the header "Retry-After"
      When I ask for "/health"
      Then the answer has no header "RateLimit"
