Feature: Limits of callers
  The rate of one caller does not delay another, and an invalid request costs little.

  Rule: How often one may ask

    Scenario: One caller who asks too often, and another who does not
      Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "1"
      And the setting "METRICD_LIMITS__BURST" is "3"
      And "ann" is a viewer
      And "bob" is a viewer
      And metricd is running
      Then "ann" is answered 200 each of 3 times by "/metrics"
      Given I am "ann"
      When I ask for "/metrics" until the answer is 429
      Then it is a problem: "Rate limit exceeded"
      And its type is "about:blank"
      And the answer has the header "Retry-After"
      And the answer has the header "X-Request-Id"
      And "bob" is answered 200 each of 3 times by "/metrics"
      And "ann" is answered 200 each of 20 times by "/health"
      And "anonymous" is answered 200 each of 20 times by "/openapi.json"
      # A caller who waits is served again.
      When I ask for "/metrics" until the answer is 200

    Scenario: Two tokens of one caller are one caller
      Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "1"
      And the setting "METRICD_LIMITS__BURST" is "30"
      And "ann" is a viewer
      And metricd is running
      And I am "ann"
      When I ask for "/metrics" until the answer is 429
      Given "ann" is an editor with the claim "shift" "late"
      Then "ann" is answered 429 once or more of 30 times by "/metrics"

    Scenario: Rejected tokens are rate limited, and valid ones are not affected
      Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "1"
      And the setting "METRICD_LIMITS__BURST" is "3"
      And "ann" is a viewer
      And metricd is running
      And I have the token "a.guess.it"
      When I ask for "/metrics"
      Then the answer is 401
      When I ask for "/metrics" until the answer is 429
      Then it is a problem: "Rate limit exceeded"
      And its type is "about:blank"
      And the answer has the header "Retry-After"
      And "ann" is answered 200 each of 3 times by "/metrics"
      And the audit of "outcome=denied" has 0 events

    # Nothing listens at port 1.
    Scenario: Unverifiable tokens are rate limited as well while the issuer is unreachable
      Given metricd trusts some issuer
      And the setting "METRICD_COGNITO__JWKS_URI" is "http://127.0.0.1:1/keys"
      And the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "1"
      And the setting "METRICD_LIMITS__BURST" is "3"
      And metricd is running
      # Without a signature, in the name of that issuer.
      And I have the token "eyJhbGciOiJSUzI1NiIsImtpZCI6ImsifQ.eyJpc3MiOiJodHRwczovL2NvZ25pdG8taWRwLmV1LWNlbnRyYWwtMS5hbWF6b25hd3MuY29tL2V1LWNlbnRyYWwtMV9FWEFNUExFIn0.c2lnbmF0dXJl"
      When I ask for "/metrics"
      Then the answer is 503
      And it is a problem: "cannot be verified"
      And its type is "urn:metricd:problem:issuer-unavailable"
      And the answer has the header "Retry-After"
      When I ask for "/metrics" until the answer is 429
      Then no ERROR line is logged

    Scenario: No limit
      Given the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "0"
      And the setting "METRICD_LIMITS__BURST" is "1"
      And "ann" is a viewer
      And metricd is running
      Then "ann" is answered 200 each of 60 times by "/metrics"
      And "anonymous" is answered 401 each of 60 times by "/metrics"

  # What follows is decided before any database is asked.
  @native
  Rule: The head of a request

    Background:
      Given metricd is running

    Scenario: Header fields that are too large
      When the next request has 20000 bytes in the header "X-Filler"
      And I ask for "/metrics"
      Then the answer is 200
      When the next request has 40000 bytes in the header "X-Filler"
      And I ask for "/metrics"
      Then the answer is 431
      And it is a problem: "too large"
      And the answer's header "X-Content-Type-Options" is "nosniff"
      And the answer's header "Content-Security-Policy" contains "default-src 'none'"
      When the next request has 40000 bytes in the header "X-Filler"
      And I ask for "/health"
      Then the answer is 431
      When the next request has 1000 header fields
      And I ask for "/metrics"
      Then the answer is 431
      When I ask for "/health"
      Then the answer is 200

    Scenario: The size of header fields is a setting
      When metricd stops
      Given the setting "METRICD_LIMITS__MAX_HEADER_BYTES" is "4096"
      When metricd starts again
      And the next request has 5000 bytes in the header "X-Filler"
      And I ask for "/health"
      Then the answer is 431

    Scenario: An address that is too long
      When I ask for an address of 200 bytes
      Then the answer is 200
      When I ask for an address of 9000 bytes
      Then the answer is 414
      And it is a problem: "too long"
      And the answer's header "X-Content-Type-Options" is "nosniff"
      When I ask for an address of 70000 bytes
      Then the answer is 414
      Given I have no token
      When I ask for an address of 9000 bytes
      Then the answer is 414

    Scenario: Browsers are told what not to do, whatever the answer
      Then these answers, too, tell browsers what not to do
        | caller    | method | path                                          | status |
        | admin     | GET    | /metrics                                      | 200    |
        | admin     | HEAD   | /metrics                                      | 200    |
        | anonymous | GET    | /metrics                                      | 401    |
        | admin     | GET    | /nowhere                                      | 404    |
        | anonymous | GET    | /nowhere                                      | 401    |
        | admin     | DELETE | /metrics                                      | 405    |
        | admin     | GET    | /metrics?limit=0                              | 422    |
        | admin     | GET    | /metrics/00000000-0000-4000-8000-000000000000 | 404    |
        | anonymous | GET    | /health                                       | 200    |
        | anonymous | GET    | /health/                                      | 200    |
        | anonymous | GET    | /openapi.json                                 | 200    |
        | anonymous | GET    | /auth/config                                  | 200    |
        | anonymous | GET    | /.well-known/jwks.json                        | 200    |
        | anonymous | GET    | /                                             | 307    |
        | anonymous | GET    | /docs/                                        | 200    |
        | anonymous | GET    | /docs/swagger-ui.css                          | 200    |

    Scenario: An answer for one caller is kept for no other
      When I ask for "/metrics"
      Then the answer's header "Cache-Control" contains "private"
      And the answer's header "Vary" contains "authorization"

  @native
  Rule: Web pages of other origins

    Scenario: None may ask unless it is listed
      Given metricd is running
      When the next request has the header "Origin" "https://dash.example"
      And I ask for "/metrics"
      Then the answer is 200
      And the answer has no header "Access-Control-Allow-Origin"
      Given I have no token
      When the next request has the header "Origin" "https://dash.example"
      And the next request has the header "Access-Control-Request-Method" "GET"
      And I send OPTIONS to "/metrics"
      Then the answer has no header "Access-Control-Allow-Origin"
      And the answer is not a success

    Scenario: Only a listed origin may send requests
      Given the setting "METRICD_HTTP__CORS_ORIGINS" is "https://dash.example,https://other.example"
      And metricd is running
      When the next request has the header "Origin" "https://dash.example"
      And I ask for "/metrics"
      Then the answer is 200
      And the answer's header "Access-Control-Allow-Origin" is "https://dash.example"
      And the answer has no header "Access-Control-Allow-Credentials"
      And the answer's header "Access-Control-Expose-Headers" contains "etag"
      When the next request has the header "Origin" "https://other.example"
      And I ask for "/nowhere"
      Then the answer is 404
      And the answer's header "Access-Control-Allow-Origin" is "https://other.example"
      When the next request has the header "Origin" "https://evil.example"
      And I ask for "/metrics"
      Then the answer is 200
      And the answer has no header "Access-Control-Allow-Origin"
      When the next request has the header "Origin" "null"
      And I ask for "/metrics"
      Then the answer has no header "Access-Control-Allow-Origin"
      When the next request has the header "Origin" "https://dash.example.evil.example"
      And I ask for "/metrics"
      Then the answer has no header "Access-Control-Allow-Origin"
      When the next request has the header "Origin" "http://dash.example"
      And I ask for "/metrics"
      Then the answer has no header "Access-Control-Allow-Origin"
      # A page must be able to read that it has to sign in.
      Given I have no token
      When the next request has the header "Origin" "https://dash.example"
      And I ask for "/metrics"
      Then the answer is 401
      And the answer's header "Access-Control-Allow-Origin" is "https://dash.example"

    Scenario: A browser asks beforehand without a token
      Given the setting "METRICD_HTTP__CORS_ORIGINS" is "https://dash.example"
      And metricd is running
      And I have no token
      When the next request has the header "Origin" "https://dash.example"
      And the next request has the header "Access-Control-Request-Method" "PATCH"
      And the next request has the header "Access-Control-Request-Headers" "authorization,content-type,if-match"
      And I send OPTIONS to "/metrics/00000000-0000-4000-8000-000000000000"
      Then the answer is a success
      And the answer's header "Access-Control-Allow-Origin" is "https://dash.example"
      And the answer's header "Access-Control-Allow-Methods" contains "PATCH"
      And the answer's header "Access-Control-Allow-Headers" contains "authorization"
      And the answer's header "Access-Control-Allow-Headers" contains "if-match"
      # What a page sends whose requests are traced.
      And the answer's header "Access-Control-Allow-Headers" contains "traceparent"
      And the answer's header "Access-Control-Allow-Headers" contains "tracestate"
      And the answer's header "Access-Control-Allow-Headers" contains "baggage"
      And the answer has no header "Access-Control-Allow-Credentials"
      When the next request has the header "Origin" "https://evil.example"
      And the next request has the header "Access-Control-Request-Method" "PATCH"
      And I send OPTIONS to "/metrics"
      Then the answer has no header "Access-Control-Allow-Origin"

    Scenario Outline: An origin that is none: <origin>
      Given the setting "METRICD_HTTP__CORS_ORIGINS" is "<origin>"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "cors_origins"

      Examples:
        | origin                   |
        | *                        |
        | dash.example             |
        | https://dash.example/app |

  @native
  Rule: Where a request comes from

    Scenario: Forwarded addresses are believed from trusted proxies only
      Given metricd is running
      When the next request has the header "X-Request-Id" "from-1"
      And the next request has the header "X-Forwarded-For" "198.51.100.7"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the audit of the request "from-1" contains
        """
        {"address": "127.0.0.1"}
        """

    Scenario: The word of a trusted proxy is taken for the last address that it did not know
      Given the setting "METRICD_HTTP__TRUSTED_PROXIES" is "127.0.0.0/8,10.0.0.0/8"
      And metricd is running
      When the next request has the header "X-Request-Id" "from-1"
      And the next request has the header "X-Forwarded-For" "203.0.113.9, 198.51.100.7, 10.1.2.3"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the audit of the request "from-1" contains
        """
        {"address": "198.51.100.7"}
        """
      When the next request has the header "X-Request-Id" "from-2"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the audit of the request "from-2" contains
        """
        {"address": "127.0.0.1"}
        """
      # An address that is none is not passed by.
      When the next request has the header "X-Request-Id" "from-3"
      And the next request has the header "X-Forwarded-For" "198.51.100.7, nonsense"
      And I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the audit of the request "from-3" contains
        """
        {"address": "127.0.0.1"}
        """

    Scenario: Guessers behind one proxy are told apart
      Given the setting "METRICD_HTTP__TRUSTED_PROXIES" is "127.0.0.1"
      And the setting "METRICD_LIMITS__REQUESTS_PER_SECOND" is "1"
      And the setting "METRICD_LIMITS__BURST" is "2"
      And metricd is running
      And I have no token
      When I ask for "/metrics" until the answer is 429
      And the next request has the header "X-Forwarded-For" "198.51.100.7"
      And I ask for "/metrics"
      Then the answer is 401

    Scenario: A proxy that is none stops the start
      Given the setting "METRICD_HTTP__TRUSTED_PROXIES" is "the-proxy"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "trusted_proxies"
