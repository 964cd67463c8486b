Feature: Signing in
  Every request needs a token that a trusted issuer has signed for metricd, and no token is ever
  logged.

  # Who is let in does not depend on the engine: the one that starts sooner is enough.
  @idp @native
  Rule: Tokens of Cognito

    Background:
      Given the clock is the machine's own
      And metricd trusts the Cognito client "machine"
      And metricd is running

    Scenario: A machine's token opens the API, and makes an editor of it
      Given I have a token of the Cognito client "machine"
      When I ask for "/metrics"
      Then the answer is 200
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the answer is 201
      When I ask for "/audit"
      Then the answer is 403
      And one INFO line says "Token validated" with subject "{client}"
      And no token is in its logs

    Scenario: A client without the secret gets no token
      When the Cognito client "machine" asks for a token with the secret "guess"
      Then the answer is 400
      And the body mentions "invalid_client"

    Scenario: A token of another scope
      Given I have a token of the Cognito client "machine" with the scope "other/scope"
      When I ask for "/metrics"
      Then the answer is 403
      And the answer's header "WWW-Authenticate" contains 'Bearer error="insufficient_scope"'
      Given I have a token of the Cognito client "machine" with the scope "other/scope api/backend_access"
      When I ask for "/metrics"
      Then the answer is 200

    Scenario: A token of a client that is not trusted, or of another pool
      Given I have a token of the Cognito client "stranger"
      When I ask for "/metrics"
      Then the answer is 401
      And the answer's header "WWW-Authenticate" contains 'Bearer error="invalid_token"'
      Given I have a token of the Cognito client "foreign"
      When I ask for "/metrics"
      Then the answer is 401
      And the answer's header "WWW-Authenticate" contains 'Bearer error="invalid_token"'

    Scenario: The claims of one token with the signature of another
      Given I have a token of the Cognito client "machine"
      And I remember the parts of the token as "good"
      And I have a token of the Cognito client "stranger"
      And I remember the parts of the token as "other"
      When I have the token "{other.header}.{good.claims}.{other.signature}"
      And I ask for "/metrics"
      Then the answer is 401
      When I have the token "{good.header}.{good.claims}."
      And I ask for "/metrics"
      Then the answer is 401
      When I have the token "{good.header}.{good.claims}.{good.signature}"
      And I ask for "/metrics"
      Then the answer is 200

  @idp @native
  Rule: People of Cognito

    # An id token for an application is no access token for an API.
    Scenario: An ID token opens nothing, and an access token no more than its scope
      Given the clock is the machine's own
      And metricd trusts the Cognito client "people"
      And metricd is running
      And I have the ID token of "ann" at Cognito
      When I ask for "/metrics"
      Then the answer is 401
      Given I have the access token of "ann" at Cognito
      When I ask for "/metrics"
      Then the answer is 403

    Scenario: The scope that is needed is a setting
      Given the clock is the machine's own
      And metricd trusts the Cognito client "people"
      And the setting "METRICD_COGNITO__SCOPE" is "aws.cognito.signin.user.admin"
      And metricd is running
      And I have the access token of "ann" at Cognito
      When I ask for "/auth/config"
      Then its issuers.0.scope is "aws.cognito.signin.user.admin"
      When I ask for "/audit"
      Then the answer is 403
      And the answer has no header "WWW-Authenticate"
      Given I have the ID token of "ann" at Cognito
      When I ask for "/audit"
      Then the answer is 401

  @idp @native
  Rule: Tokens of an OpenID provider

    Background:
      Given the clock is the machine's own
      And metricd trusts the OpenID provider
      And metricd is running

    Scenario: A machine's token and a person's open the API
      Given I have a token of the OpenID client "machine"
      When I ask for "/metrics"
      Then the answer is 200
      And one INFO line says "Token validated" with subject "machine"
      Given I have the access token of "ann" at the OpenID provider
      When I ask for "/metrics"
      Then the answer is 200
      And one INFO line says "Token validated" with subject "ann"
      And no token is in its logs

    Scenario: A token for another audience, of another scope, or about a person
      Given I have a token of the OpenID client "machine" for the audience "https://elsewhere.example"
      When I ask for "/metrics"
      Then the answer is 401
      Given I have a token of the OpenID client "machine" with the scope "other/scope"
      When I ask for "/metrics"
      Then the answer is 403
      Given I have the ID token of "ann" at the OpenID provider
      When I ask for "/metrics"
      Then the answer is 401

    Scenario: A token that has expired
      Given I have a token of the OpenID client "brief"
      When I ask for "/metrics" until the answer is 401
      Then it is a problem: "expired"
      And the answer's header "WWW-Authenticate" contains 'Bearer error="invalid_token"'
      And no token is in its logs

    Scenario: A token of an issuer that is not configured
      Given I have a token of the Cognito client "machine"
      When I ask for "/metrics"
      Then the answer is 401

  @idp @native
  Rule: Several issuers, and issuers that are away

    Scenario: Two issuers at once
      Given the clock is the machine's own
      And metricd trusts the Cognito client "machine"
      And metricd trusts the OpenID provider
      And metricd is running
      And I have a token of the Cognito client "machine"
      When I ask for "/metrics"
      Then the answer is 200
      Given I have a token of the OpenID client "machine"
      When I ask for "/metrics"
      Then the answer is 200
      When I ask for "/auth/config"
      Then its issuers has 2 items

    # An ID token for the application "people" names it as audience; it is still no access token.
    Scenario: The application itself as audience
      Given the clock is the machine's own
      And metricd trusts the OpenID provider for the audience "people"
      And metricd is running
      And I have the ID token of "ann" at the OpenID provider
      When I ask for "/metrics"
      Then the answer is not a success

    Scenario: Known keys go on working when the issuer is away, and unknown ones open nothing
      Given the clock is the machine's own
      And the scenario has an OpenID provider of its own
      And metricd trusts the OpenID provider
      And metricd is running
      And I have a token of the OpenID client "machine"
      And I remember the parts of the token as "good"
      When I ask for "/metrics"
      Then the answer is 200
      Given I have a token of the OpenID client "acme"
      And I remember the parts of the token as "unseen"
      And I have a token of the Cognito client "machine"
      And I remember the parts of the token as "other"
      When the OpenID provider goes away
      And I have the token "{good.header}.{good.claims}.{good.signature}"
      And I ask for "/metrics"
      Then the answer is 200
      When I have the token "{unseen.header}.{unseen.claims}.{unseen.signature}"
      And I ask for "/metrics"
      Then the answer is 200
      When I have the token "{other.header}.{good.claims}.{other.signature}"
      And I ask for "/metrics"
      Then the answer is 401

    Scenario: An issuer that was never there opens nothing
      Given the clock is the machine's own
      And the scenario has an OpenID provider of its own
      And metricd trusts the OpenID provider
      And I have a token of the OpenID client "machine"
      When the OpenID provider goes away
      And metricd starts
      And I ask for "/metrics"
      Then the answer is 503
      And the answer has the header "Retry-After"
      When I ask for "/health"
      Then the answer is 200

  # The same holds for every issuer: metricd's own needs no server beside it.
  @native
  Rule: How a token is shown

    Background:
      Given metricd is running

    Scenario: Without a token
      Given I have no token
      When I ask for "/metrics"
      Then the answer is 401
      And it is a problem: "token"
      And the answer's header "WWW-Authenticate" is "Bearer"
      When I ask for "/nowhere"
      Then the answer is 401
      When I ask for "/health"
      Then the answer is 200
      When I ask for "/openapi.json"
      Then the answer is 200
      When I browse to "/docs"
      Then the answer is 200
      When I ask for "/auth/config"
      Then the answer is 200
      When I ask for "/.well-known/jwks.json"
      Then the answer is 200

    Scenario: In one header of the right scheme, and nowhere else
      When I run "metricd token --role admin"
      And I have the token that it has printed
      And the next request has the header "Authorization" "bearer {token}"
      And I ask for "/metrics"
      Then the answer is 200
      When the next request has the header "Authorization" "Basic {token}"
      And I ask for "/metrics"
      Then the answer is 401
      When the next request has the header "Authorization" "{token}"
      And I ask for "/metrics"
      Then the answer is 401
      When the next request has the header "Authorization" "Bearer {token}"
      And the next request has the header "Authorization" "Bearer {token}"
      And I ask for "/metrics"
      Then the answer is 401
      When I have no token
      And I ask for "/metrics?access_token={token}"
      Then the answer is 401
      And the answer's header "WWW-Authenticate" is "Bearer"
      And no token is in its logs

    Scenario Outline: What is no token at all: <kind>
      Given I have the token "<text>"
      When I ask for "/metrics"
      Then the answer is 401
      And the answer's header "WWW-Authenticate" contains 'Bearer error="invalid_'
      And the body does not mention "<text>"

      Examples:
        | kind      | text                                                                  |
        | a word    | open-sesame                                                           |
        | unsigned  | eyJhbGciOiJub25lIn0.eyJpc3MiOiJ1cm46bWV0cmljZDpkZXZlbG9wbWVudCJ9.x    |
        | two parts | eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJ1cm46bWV0cmljZDpkZXZlbG9wbWVudCJ9     |

  Rule: The development issuer, where no other is configured

    Scenario: Not even the most talkative log holds a token
      Given the setting "METRICD_LOG" is "trace"
      And metricd is running
      And "ann" is an editor with the claim "tenant_id" "acme"
      When "ann" asks for "/metrics"
      Then the answer is 200
      When "ann" asks for "/audit"
      Then the answer is 403
      And one INFO line says "Token validated" with subject "ann"
      And no token is in its logs

    Scenario Outline: A token for a role: <role>
      Given metricd is running
      When I run "metricd token --role <role>"
      And I have the token that it has printed
      And I ask for "/metrics"
      Then the answer is 200
      And one INFO line says "Token validated" with subject "<role>"
      When I POST to "/metrics"
        """
        {"is_editable": true, "layouts": [], "query": "SELECT 1 AS x"}
        """
      Then the answer is <create>
      When I ask for "/audit"
      Then the answer is <audit>

      Examples:
        | role   | create | audit |
        | viewer | 403    | 403   |
        | editor | 201    | 403   |
        | admin  | 201    | 200   |

    Scenario: A token holds as long as was asked
      Given the clock says "2025-08-05T12:00:00Z"
      When I run "metricd token --role viewer --ttl 10m"
      And I have the token that it has printed
      Given the clock says "2025-08-05T12:09:59Z"
      When metricd starts
      And I ask for "/metrics"
      Then the answer is 200
      When metricd stops
      Given the clock says "2025-08-05T12:10:00Z"
      When metricd starts again
      And I ask for "/metrics"
      Then the answer is 401
      And it is a problem: "expired"
      And the answer's header "WWW-Authenticate" contains 'Bearer error="invalid_token"'

    Scenario: A token with a name and with claims
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "tenant_id"
      And metricd is running
      And a metric with the query
        """
        SELECT :claim_tenant_id AS tenant
        """
      When I run "metricd token --role viewer --subject ann --claim tenant_id=acme"
      And I have the token that it has printed
      And I ask for the metric "{id}"
      Then the answer is 200
      And its records are [{"tenant": "acme"}]
      And one INFO line says "Token validated" with subject "ann"

    Scenario: Callers who are told apart
      Given the setting "METRICD_CLAIMS__TENANT_ID" is "tenant_id"
      And "ann" is a viewer with the claim "tenant_id" "acme"
      And "bob" is a viewer with the claim "tenant_id" "globex"
      And "eve" is a viewer
      And metricd is running
      And a metric with the query
        """
        SELECT :claim_tenant_id AS tenant
        """
      When "ann" asks for the metric "{id}"
      Then its records are [{"tenant": "acme"}]
      When "bob" asks for the metric "{id}"
      Then its records are [{"tenant": "globex"}]
      When "eve" asks for the metric "{id}"
      Then the answer is 403
      When "ann" asks for the metric "{id}"
      Then its records are [{"tenant": "acme"}]

    Scenario Outline: A token that cannot be had: <options>
      When I run "metricd token <options>"
      Then it fails
      And it says "<why>"

      Examples:
        | options                                         | why    |
        | --role owner                                    | role   |
        | --role admin --ttl 0s                           | days   |
        | --role admin --ttl 9000h                        | days   |
        | --role admin --claim iss=https://issuer.example | iss    |
        | --role viewer --claim metricd_role=admin        | role   |
        | --role admin --claim tenant_id                  | claim  |

    Scenario: It shows its public key, and says that it is for development
      Given metricd is running
      When I ask for "/.well-known/jwks.json"
      Then the answer is 200
      And its keys has 1 item
      And it shows public keys alone
      When I ask for "/auth/config"
      Then the answer is 200
      And its development is true
      And one WARN line mentions "metricd token"

    Scenario: The key stays when metricd does not
      Given metricd is running
      When I run "metricd token --role viewer"
      And I have the token that it has printed
      And metricd stops
      And metricd starts again
      And I ask for "/metrics"
      Then the answer is 200
      When metricd is killed
      And metricd starts again
      And I ask for "/metrics"
      Then the answer is 200

    Scenario: One data folder's token opens no other
      Given "ann" is an admin
      When I run "metricd token --role admin"
      And I have the token that it has printed
      And metricd starts with "--data-dir {folder}/elsewhere"
      And I ask for "/metrics"
      Then the answer is 401
      When "ann" asks for "/metrics"
      Then the answer is 200

    Scenario: Only this machine may send requests, unless a flag allows the network
      When I run "metricd serve --listen 0.0.0.0:0"
      Then it fails
      And it says "loopback"
      And it says "--insecure-development-tokens-on-the-network"
      When metricd starts with "--listen 0.0.0.0:0 --insecure-development-tokens-on-the-network"
      And I ask for "/metrics"
      Then the answer is 200

  # No request has a token here, so that the issuer's keys are not fetched.
  @native
  Rule: The development issuer, where another one is configured

    Background:
      Given metricd trusts some issuer

    Scenario: It is gone
      Given metricd is running
      When I run "metricd token --role admin"
      Then it fails
      And it says "issuer is configured"
      And it prints nothing
      When I ask for "/.well-known/jwks.json"
      Then the answer is 404
      When I ask for "/auth/config"
      Then the answer is 200
      And the body contains
        """
        {
          "development": false,
          "issuers": [{
            "issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_EXAMPLE",
            "client_id": "some-client",
            "scope": "api/backend_access"
          }]
        }
        """
      And no WARN line is logged

    Scenario: Other machines may ask
      When metricd starts with "--listen 0.0.0.0:0"
      And I ask for "/metrics"
      Then the answer is 401

  # Nothing is kept: what is refused is refused before the database is looked at.
  @native
  Rule: What the development issuer has signed before

    Scenario: Its tokens are no longer accepted
      When I run "metricd token --role admin"
      And I have the token that it has printed
      Given metricd trusts some issuer
      When metricd starts
      And I ask for "/metrics"
      Then the answer is 401

  # Settings are read before any engine starts.
  @native
  Rule: Half a configuration stops the start

    Scenario: A user pool without its region and its clients
      Given the setting "USER_POOL_ID" is "eu-central-1_EXAMPLE"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "AWS_REGION"
      And it says "USER_POOL_CLIENT_ID"
      And it does not say "(USER_POOL_ID)"

    Scenario: A client without its user pool
      Given the setting "AWS_REGION" is "eu-central-1"
      And the setting "USER_POOL_CLIENT_ID" is "some-client"
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "(USER_POOL_ID)"
      And it does not say "(AWS_REGION)"

    # Every machine of AWS has it.
    Scenario: A region alone means nothing
      Given the setting "AWS_REGION" is "eu-central-1"
      And metricd is running
      When I ask for "/auth/config"
      Then its development is true

    Scenario Outline: An issuer <fault>
      Given the setting "METRICD_AUTH__ISSUERS" is '<issuers>'
      When I run "metricd serve --listen 127.0.0.1:0"
      Then it fails
      And it says "<what>"

      Examples:
        | fault                       | issuers                                                                            | what                |
        | without audience            | [{issuer="https://issuer.example"}]                                                | audience is missing |
        | without name                | [{audience="https://metricd.example"}]                                             | issuer is missing   |
        | on a network without TLS    | [{issuer="http://issuer.example", audience="a"}]                                   | https               |
        | with keys on such a network | [{issuer="https://issuer.example", audience="a", jwks_uri="http://keys.example/"}] | https               |
        | with a misspelt word        | [{issuer="https://issuer.example", audiences="a"}]                                 | audiences           |
