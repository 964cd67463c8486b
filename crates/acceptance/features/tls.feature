@native
Feature: TLS to PostgreSQL
  The parameters of a server's URL mean what they mean to libpq. A certificate of version 1 that nothing but itself has
  issued is what Citus makes.

  Background:
    Given a PostgreSQL server "pg" with TLS, whose certificate is the file "pg.crt"

  Scenario: A server is verified as the URL says, or refused with what would help
    Given the setting "DATABASE_URL" is "postgres://postgres@{pg}?sslmode=verify-ca&sslrootcert={folder}/pg.crt"
    And metricd is running
    When I ask for "/health"
    Then the answer is 200
    When metricd stops

    Given the setting "DATABASE_URL" is "postgres://postgres@{pg}?sslmode=require"
    When I run "metricd migrate"
    Then it succeeds

    # The system's own authorities, among which the certificate is.
    Given the setting "DATABASE_URL" is "postgres://postgres@{pg}?sslrootcert=system"
    When I run "metricd migrate"
    Then it exits with 69
    And it says "sslrootcert in the URL"
    Given the setting "SSL_CERT_FILE" is "{folder}/pg.crt"
    When I run "metricd migrate"
    Then it succeeds

    Given the setting "DATABASE_URL" is "postgres://postgres@{pg}?sslmode=verify-full"
    When I run "metricd serve --listen 127.0.0.1:0"
    Then it exits with 1
    And it says "sslrootcert=system"

    Given the setting "DATABASE_URL" is "postgres://someone:s3cr3t-w0rd@localhost:1/pg?sslcrl=list&sslkey={folder}/key"
    When I run "metricd serve --listen 127.0.0.1:0"
    Then it exits with 1
    And it says "sslkey needs sslcert"
    And it says "sslcrl"
    And it does not say "s3cr3t-w0rd"
