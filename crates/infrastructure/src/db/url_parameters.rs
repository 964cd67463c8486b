//! The parameters of a server's URL, and the variables that count where it says nothing: what they mean to libpq.
//!
//! Must never connect with less than they ask for: one that metricd does not know, or does not do, is a fault. No value is
//! repeated but the names of files.

use std::{collections::BTreeSet, env, fs, os::unix::fs::MetadataExt as _, str::FromStr as _};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use native_tls::NOTHING;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::tls::{self, ServerAddress};

/// What libpq calls the roots that the system trusts.
const SYSTEM: &str = "system";

const MODE: [&str; 2] = ["sslmode", "ssl-mode"];
const ROOT: [&str; 3] = ["sslrootcert", "ssl-root-cert", "ssl-ca"];
const CERTIFICATE: [&str; 2] = ["sslcert", "ssl-cert"];
const KEY: [&str; 2] = ["sslkey", "ssl-key"];

/// What sqlx reads beside those, and what changes nothing about a connection of metricd's.
const KNOWN: [&str; 18] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
    "statement-cache-capacity",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
    "tcp_user_timeout",
];

/// A parameter of libpq's by which it may connect otherwise than metricd does.
struct Asked {
    name: &'static str,
    variable: Option<&'static str>,
    /// The values that ask for what metricd does.
    done: &'static [&'static str],
}

const fn asked(name: &'static str, variable: &'static str, done: &'static [&'static str]) -> Asked {
    Asked { name, variable: Some(variable), done }
}

const ASKED: [Asked; 19] = [
    Asked { name: "sslpassword", variable: None, done: &[] },
    asked("channel_binding", "PGCHANNELBINDING", &["disable", "prefer"]),
    asked("gssencmode", "PGGSSENCMODE", &["disable", "prefer"]),
    asked("load_balance_hosts", "PGLOADBALANCEHOSTS", &["disable"]),
    asked("max_protocol_version", "PGMAXPROTOCOLVERSION", &["3.0", "3.2", "latest"]),
    asked("min_protocol_version", "PGMINPROTOCOLVERSION", &["3.0"]),
    asked("require_auth", "PGREQUIREAUTH", &[]),
    asked("requirepeer", "PGREQUIREPEER", &[]),
    asked("requiressl", "PGREQUIRESSL", &["0"]),
    asked("service", "PGSERVICE", &[]),
    asked("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION", &["TLSv1.3"]),
    asked("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION", &["TLSv1", "TLSv1.1", "TLSv1.2"]),
    asked("sslcertmode", "PGSSLCERTMODE", &["allow"]),
    asked("sslcrl", "PGSSLCRL", &[]),
    asked("sslcrldir", "PGSSLCRLDIR", &[]),
    asked("sslkeylogfile", "PGSSLKEYLOGFILE", &[]),
    asked("sslnegotiation", "PGSSLNEGOTIATION", &["postgres"]),
    asked("sslsni", "PGSSLSNI", &["1"]),
    asked("target_session_attrs", "PGTARGETSESSIONATTRS", &["any"]),
];

/// What a URL says of a connection, or else the environment.
#[derive(Debug, Default)]
pub(super) struct UrlParameters {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
    /// Those that metricd does not do.
    faults: Vec<String>,
}

/// A variable of the environment. One that is no text counts as well.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

impl UrlParameters {
    /// Reads those of the part of a URL after its question mark, and the variables.
    pub(super) fn read(query: &str, variable: impl Fn(&str) -> Option<String>) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes()).into_owned();
        let pairs: Vec<_> = pairs.map(of_libpq).collect();
        let of_url = |names: &[&str]| {
            let mut given = pairs.iter().rev().filter(|(name, _)| names.contains(&name.as_str()));
            given.next().map(|(_, value)| value.clone())
        };
        // A variable that is empty counts as not set, as for libpq.
        let filled = |name: &str| variable(name).filter(|value| !value.is_empty());
        let of_either = |names: &[&str], name| of_url(names).or_else(|| filled(name));
        Self {
            // Not this one: libpq refuses an empty mode.
            mode: of_url(&MODE).or_else(|| variable("PGSSLMODE")),
            root: of_either(&ROOT, "PGSSLROOTCERT"),
            certificate: of_either(&CERTIFICATE, "PGSSLCERT"),
            key: of_either(&KEY, "PGSSLKEY"),
            faults: unknown(&pairs, query).chain(not_done(of_url, filled)).collect(),
        }
    }

    fn mode(&self) -> PgSslMode {
        let of_roots = || match self.root.as_deref() {
            Some(SYSTEM) => PgSslMode::VerifyFull,
            _ => PgSslMode::Prefer,
        };
        let given = self.mode.as_deref().and_then(|mode| PgSslMode::from_str(mode).ok());
        given.unwrap_or_else(of_roots)
    }

    /// How to connect to what `options` lead to. A Unix socket has no TLS, as for libpq.
    pub(super) fn address(&self, options: PgConnectOptions) -> Result<ServerAddress, String> {
        if tls::is_local(&options) {
            let options = options.ssl_mode(PgSslMode::Disable);
            return Ok(ServerAddress { options, fallback: None });
        }
        let options = self.with_files(options)?;
        // With a root, libpq verifies in each mode that encrypts.
        let encrypted = match self.root {
            Some(_) => PgSslMode::VerifyCa,
            None => PgSslMode::Require,
        };
        let with = |mode| options.clone().ssl_mode(mode);
        let (first, second) = match self.mode() {
            PgSslMode::Allow => (PgSslMode::Disable, Some(encrypted)),
            PgSslMode::Prefer => (encrypted, Some(PgSslMode::Disable)),
            PgSslMode::Require => (encrypted, None),
            mode => (mode, None),
        };
        Ok(ServerAddress { options: with(first), fallback: second.map(with) })
    }

    /// Sets what is no file, which sqlx would take for the name of one: a certificate in the URL itself, and a variable that is
    /// empty.
    fn with_files(&self, options: PgConnectOptions) -> Result<PgConnectOptions, String> {
        let options = match self.root.as_deref() {
            Some(SYSTEM) => options.ssl_root_cert_from_pem(system_roots()?),
            Some(file) if !is_pem(file) => options.ssl_root_cert(file),
            pem => options.ssl_root_cert_from_pem(pem.unwrap_or(NOTHING).into()),
        };
        let options = match self.certificate.as_deref() {
            Some(file) if !is_pem(file) => options.ssl_client_cert(file),
            pem => options.ssl_client_cert_from_pem(pem.unwrap_or(NOTHING)),
        };
        Ok(match self.key.as_deref() {
            Some(file) if !is_pem(file) => options.ssl_client_key(file),
            pem => options.ssl_client_key_from_pem(pem.unwrap_or(NOTHING)),
        })
    }

    /// Finds all that is wrong with them.
    pub(super) fn check(&self) -> Result<(), Vec<String>> {
        let mut faults = self.faults.clone();
        if self.mode.as_deref().is_some_and(|mode| PgSslMode::from_str(mode).is_err()) {
            faults.push(
                "sslmode is none of disable, allow, prefer, require, verify-ca and verify-full"
                    .into(),
            );
        }
        let verifies = matches!(self.mode(), PgSslMode::VerifyCa | PgSslMode::VerifyFull);
        match self.root.as_deref() {
            None if verifies => faults.push(
                "sslmode verifies the server's certificate, and sslrootcert does not say by which: give the file of \
                 its authority, or sslrootcert=system with sslmode=verify-full"
                    .into(),
            ),
            Some(SYSTEM) if !matches!(self.mode(), PgSslMode::VerifyFull) => faults.push(
                "sslrootcert=system needs sslmode=verify-full: any host can have a certificate of such an authority"
                    .into(),
            ),
            Some(file) if file != SYSTEM => faults.extend(fault_of_root(file)),
            _ => {}
        }
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => faults.extend(faults_of_identity(certificate, key)),
            (Some(_), None) => faults.push("sslcert needs sslkey, the file of its key".into()),
            (None, Some(_)) => faults.push("sslkey needs sslcert, its certificate's file".into()),
            (None, None) => {}
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

/// libpq takes `ssl=true`, and no other value, from the URLs of other drivers.
fn of_libpq((name, value): (String, String)) -> (String, String) {
    match (name.as_str(), value.as_str()) {
        ("ssl", "true") => ("sslmode".into(), "require".into()),
        _ => (name, value),
    }
}

/// A fault for each parameter that is none. Its name is told, unless it may be a part of a password that has a question mark.
fn unknown(pairs: &[(String, String)], query: &str) -> impl Iterator<Item = String> {
    let is_known = |name: &str| {
        let read = [&MODE[..], &ROOT, &CERTIFICATE, &KEY, &KNOWN].concat();
        read.contains(&name)
            || ASKED.iter().any(|asked| asked.name == name)
            || name.starts_with("options[") && name.ends_with(']')
    };
    let names = pairs.iter().map(|(name, _)| name.as_str()).filter(|name| !is_known(name));
    let is_name = |name: &str| {
        let mut bytes = name.bytes();
        !name.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
    };
    let faults: BTreeSet<_> = names
        .map(|name| match name {
            name if is_name(name) && !query.contains('@') => {
                format!("it has the parameter {name}, which metricd does not know")
            }
            _ => "it has a parameter that metricd does not know; in a password, a question mark is written %3F"
                .into(),
        })
        .collect();
    faults.into_iter()
}

/// A fault for each parameter, or variable, that asks for what metricd does not do.
fn not_done(
    of_url: impl Fn(&[&str]) -> Option<String>,
    variable: impl Fn(&str) -> Option<String>,
) -> impl Iterator<Item = String> {
    ASKED.iter().filter_map(move |asked| {
        let of_variable = || Some((asked.variable?, variable(asked.variable?)?));
        let (said_by, value) =
            of_url(&[asked.name]).map(|value| (asked.name, value)).or_else(of_variable)?;
        let is_done =
            value.is_empty() || asked.done.iter().any(|done| done.eq_ignore_ascii_case(&value));
        (!is_done).then(|| format!("metricd does not do what {said_by} asks for"))
    })
}

/// Whether it is a certificate or key itself, in place of the name of its file.
fn is_pem(file: &str) -> bool {
    file.trim_start().starts_with("-----BEGIN")
}

fn read(parameter: &str, file: &str) -> Result<Vec<u8>, String> {
    if is_pem(file) {
        return Ok(file.into());
    }
    fs::read(file).map_err(|error| format!("{parameter}: cannot read {file}: {error}"))
}

fn with_remedy(error: &native_tls::Error) -> String {
    format!("{error}; {}", tls::remedy(error))
}

fn fault_of_root(file: &str) -> Option<String> {
    let pem = match read("sslrootcert", file) {
        Ok(pem) => pem,
        Err(fault) => return Some(fault),
    };
    native_tls::Certificate::from_pem(&pem).err().map(|error| with_remedy(&error))
}

fn faults_of_identity(certificate: &str, key: &str) -> Vec<String> {
    match (read("sslcert", certificate), read("sslkey", key)) {
        (Ok(chain), Ok(pem)) => {
            let identity = native_tls::Identity::from_pkcs8(&chain, &pem);
            let fault = identity.err().map(|error| with_remedy(&error));
            open_to_others(key).into_iter().chain(fault).collect()
        }
        (chain, pem) => chain.err().into_iter().chain(pem.err()).collect(),
    }
}

/// A key that others may read is refused, as libpq does: its group may read what root owns.
fn open_to_others(key: &str) -> Option<String> {
    let file = fs::metadata(key).ok()?;
    let refused = if file.uid() == 0 { 0o037 } else { 0o077 };
    let is_open = file.is_file() && file.mode() & refused != 0;
    is_open.then(|| format!("sslkey: others may read {key}: close it with `chmod 600 {key}`"))
}

/// The roots that the system trusts, in PEM.
fn system_roots() -> Result<Vec<u8>, String> {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return Err(
            "sslrootcert=system: this system has no root certificates (ca-certificates)".into()
        );
    }
    let pem = found.iter().map(|root| {
        let text = STANDARD.encode(root);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    });
    Ok(pem.collect::<String>().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(query: &str, variables: &[(&str, &str)]) -> Vec<String> {
        read(query, variables).check().err().unwrap_or_default()
    }

    fn read(query: &str, variables: &[(&str, &str)]) -> UrlParameters {
        UrlParameters::read(query, |name| {
            let mut set = variables.iter().filter(|(variable, _)| *variable == name);
            set.next().map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn what_metricd_does_not_know_or_do_is_named() {
        for (query, name) in [
            ("ssl_mode=verify-full", "ssl_mode"),
            ("sslMode=verify-full", "sslMode"),
            ("ssl=verify-full", "ssl"),
            ("ssl=1", "ssl"),
            ("sslcertmode=require", "sslcertmode"),
            ("sslmode=disable&sslnegotiation=direct", "sslnegotiation"),
            ("gssencmode=prefer&gssencmode=require", "gssencmode"),
            ("service=shop", "service"),
            ("target_session_attrs=read-write", "target_session_attrs"),
        ] {
            let faults = faults(query, &[]);
            let [fault] = &faults[..] else { panic!("{query}: {faults:?}") };
            let mut words = fault.split([' ', ',']);
            assert!(words.any(|word| word == name), "{query}: {fault}");
            assert!(!fault.contains(query.rsplit('=').next().unwrap()), "{query}: {fault}");
        }
    }

    #[test]
    fn variables_ask_for_as_much_as_parameters() {
        for (variable, value) in [
            ("PGCHANNELBINDING", "require"),
            ("PGREQUIREPEER", "postgres"),
            ("PGREQUIREAUTH", "scram-sha-256"),
            ("PGSSLCRL", "/etc/crl.pem"),
            ("PGGSSENCMODE", "require"),
            ("PGSSLMINPROTOCOLVERSION", "TLSv1.3"),
            ("PGSSLNEGOTIATION", "direct"),
            ("PGSSLCERTMODE", "require"),
        ] {
            let expected = format!("metricd does not do what {variable} asks for");
            assert_eq!(faults("", &[(variable, value)]), [expected]);
            assert!(faults("", &[(variable, "")]).is_empty(), "{variable}");
        }
        assert!(faults("channel_binding=prefer", &[("PGCHANNELBINDING", "require")]).is_empty());
    }

    #[test]
    fn what_changes_nothing_is_taken() {
        let query = "host=db&port=5432&dbname=shop&user=ann&password=p@ss&application_name=x&options[jit]=off&\
                     connect_timeout=10&keepalives_idle=30&sslcertmode=allow&channel_binding=prefer&\
                     target_session_attrs=any&ssl_min_protocol_version=tlsv1.2&sslcrl=";
        assert_eq!(faults(query, &[]), Vec::<String>::new());
    }

    #[test]
    fn the_last_mode_counts_and_no_nameless_one() {
        let mode = |query: &str, variable: &[(&str, &str)]| read(query, variable).mode();
        assert!(matches!(mode("ssl=true", &[]), PgSslMode::Require));
        assert!(matches!(mode("ssl=true&sslmode=disable", &[]), PgSslMode::Disable));
        assert!(matches!(mode("", &[("PGSSLMODE", "require")]), PgSslMode::Require));
        assert!(matches!(mode("ssl=true", &[("PGSSLMODE", "disable")]), PgSslMode::Require));
        let nameless = "sslmode=require&=disable";
        assert!(matches!(mode(nameless, &[]), PgSslMode::Require));
        assert!(faults(nameless, &[])[0].contains("a parameter that metricd does not know"));
        // As libpq.
        assert!(faults("", &[("PGSSLMODE", "")])[0].starts_with("sslmode is none of"));
    }

    #[test]
    fn a_variable_that_is_empty_is_not_set() {
        let empty = [("PGSSLROOTCERT", ""), ("PGSSLCERT", ""), ("PGSSLKEY", "")];
        assert_eq!(faults("", &empty), Vec::<String>::new());
        assert!(faults("sslmode=verify-full", &empty)[0].contains("sslrootcert=system"));
    }

    #[test]
    fn no_part_of_a_password_is_named() {
        // As of postgres://ann:123?hunter2@db/shop.
        for query in ["hunter2@db/shop", "hunter2=@db/shop", "sslmode=disable&hunter2@db"] {
            let faults = faults(query, &[]).join("; ");
            assert!(faults.contains("%3F") && !faults.contains("hunter2"), "{faults}");
        }
    }
}
