//! Who the server may be.
//!
//! webpki judges certificates of version 3. Those of version 1 have no extensions, so that little is left to judge: one is
//! trusted if it is a root itself, or signed by one that is valid and whose limits, if it has any, leave that to it.

use std::sync::Arc;

use rustls::{
    CertificateError, DigitallySignedStruct, Error, PeerMisbehaved, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
};
use webpki::RawPublicKeyEntity;

use crate::{certificate::Fields, identity::provider, names};

/// Verifies the certificate of a server, as far as it is told to. That the server has the certificate's key is verified in
/// any case.
#[derive(Debug)]
pub(crate) struct ServerVerifier {
    algorithms: WebPkiSupportedAlgorithms,
    trusted: Option<Trusted>,
}

/// What is trusted.
#[derive(Debug)]
struct Trusted {
    roots: Vec<CertificateDer<'static>>,
    /// `None` where no root may issue certificates.
    by_webpki: Option<Arc<WebPkiServerVerifier>>,
    /// Whether the certificate must be for the host.
    with_host: bool,
}

impl ServerVerifier {
    /// Accepts any certificate.
    pub(crate) fn of_nothing() -> Self {
        Self { algorithms: provider().signature_verification_algorithms, trusted: None }
    }

    /// Accepts what is one of `roots`, or was issued by one, and is for the host if that matters.
    pub(crate) fn of_roots(
        roots: Vec<CertificateDer<'static>>,
        with_host: bool,
    ) -> Result<Self, Error> {
        let provider = provider();
        let mut anchors = RootCertStore::empty();
        for root in &roots {
            // One of a system's many that cannot be read issues nothing.
            if Fields::read(root).is_some_and(|root| root.is_authority()) {
                let _ = anchors.add(root.clone());
            }
        }
        let algorithms = provider.signature_verification_algorithms;
        let by_webpki = if anchors.is_empty() {
            None
        } else {
            let builder =
                WebPkiServerVerifier::builder_with_provider(anchors.into(), provider.into());
            Some(builder.build().map_err(|error| Error::General(error.to_string()))?)
        };
        Ok(Self { algorithms, trusted: Some(Trusted { roots, by_webpki, with_host }) })
    }

    /// Whether one of the roots has signed a certificate of version 1, and is valid itself.
    fn verify_issued(
        &self,
        certificate: &Fields<'_>,
        roots: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Error> {
        let issuers = roots.iter().filter_map(|root| Fields::read(root));
        let issuers =
            issuers.filter(|root| root.may_issue_any() && root.subject == certificate.issuer);
        let mut verified = Err(CertificateError::UnknownIssuer.into());
        for issuer in issuers.filter(|issuer| self.has_signed(issuer, certificate)) {
            verified = verify_validity(&issuer, now);
            if verified.is_ok() {
                break;
            }
        }
        verified
    }

    fn has_signed(&self, issuer: &Fields<'_>, certificate: &Fields<'_>) -> bool {
        let key = SubjectPublicKeyInfoDer::from(issuer.public_key);
        let Ok(key) = RawPublicKeyEntity::try_from(&key) else { return false };
        let algorithms = self.algorithms.all.iter();
        algorithms
            .filter(|it| *it.signature_alg_id() == *certificate.algorithm)
            .any(|it| key.verify_signature(*it, certificate.signed, certificate.signature).is_ok())
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        server: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(trusted) = &self.trusted else { return Ok(ServerCertVerified::assertion()) };
        let fields = Fields::read(server).ok_or(CertificateError::BadEncoding)?;
        let is_root = trusted.roots.contains(server);
        let verified = if is_root || fields.is_old() {
            verify_validity(&fields, now)?;
            if !is_root {
                self.verify_issued(&fields, &trusted.roots, now)?;
            }
            // Its names are webpki's to judge, where it has any.
            trusted.verify_names(server, host)
        } else {
            let webpki = trusted.by_webpki.as_ref().ok_or(CertificateError::UnknownIssuer)?;
            let verified =
                webpki.verify_server_cert(server, intermediates, host, ocsp_response, now);
            verified.map(|_| ())
        };
        match verified {
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if trusted.with_host && !is_for_by_common_name(&fields, host) => {
                let (expected, presented) = (host.to_owned(), fields.names());
                Err(CertificateError::NotValidForNameContext { expected, presented }.into())
            }
            // The only thing that is wrong with it does not matter, or is not wrong.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified.map(|()| ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let mapping = self.algorithms.mapping.iter();
        let candidates = mapping.filter(|(scheme, _)| *scheme == signed.scheme);
        let mut candidates = candidates.flat_map(|(_, algorithms)| algorithms.iter()).peekable();
        if candidates.peek().is_none() {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let key = public_key(certificate)?;
        let key = RawPublicKeyEntity::try_from(&key).map_err(|_| CertificateError::BadEncoding)?;
        // The scheme does not say which curve the key is of.
        if candidates.any(|it| key.verify_signature(*it, message, signed.signature()).is_ok()) {
            Ok(HandshakeSignatureValid::assertion())
        } else {
            Err(CertificateError::BadSignature.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = public_key(certificate)?;
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Trusted {
    fn verify_names(
        &self,
        server: &CertificateDer<'_>,
        host: &ServerName<'_>,
    ) -> Result<(), Error> {
        if !self.with_host {
            return Ok(());
        }
        let not_valid = || Error::from(CertificateError::NotValidForName);
        let server = webpki::EndEntityCert::try_from(server).map_err(|_| not_valid())?;
        server.verify_is_valid_for_subject_name(host).map_err(|_| not_valid())
    }
}

fn public_key(certificate: &CertificateDer<'_>) -> Result<SubjectPublicKeyInfoDer<'static>, Error> {
    let fields = Fields::read(certificate).ok_or(CertificateError::BadEncoding)?;
    Ok(SubjectPublicKeyInfoDer::from(fields.public_key.to_vec()))
}

fn verify_validity(certificate: &Fields<'_>, now: UnixTime) -> Result<(), Error> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let (first, last) = certificate.validity;
    if now < first {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > last {
        return Err(CertificateError::Expired.into());
    }
    Ok(())
}

/// A certificate that has no other names is for its subject's.
fn is_for_by_common_name(certificate: &Fields<'_>, host: &ServerName<'_>) -> bool {
    let has_labels = matches!(host, ServerName::DnsName(_));
    !certificate.has_alternative_names()
        && certificate
            .common_name()
            .is_some_and(|name| names::matches(name, &host.to_str(), has_labels))
}

#[cfg(test)]
mod tests {
    use std::{process::Command, time::Duration};

    use rustls::pki_types::pem::PemObject as _;

    use super::*;

    const CONFIGURATION: &str = "\
[req]\n\
distinguished_name = name\n\
[name]\n\
[leaf]\n\
basicConstraints = CA:FALSE\n\
[named]\n\
subjectAltName = DNS:localhost\n\
[authority]\n\
basicConstraints = critical, CA:TRUE\n\
[signing]\n\
basicConstraints = critical, CA:TRUE\n\
keyUsage = critical, keyCertSign\n\
[encrypting]\n\
basicConstraints = critical, CA:TRUE\n\
keyUsage = critical, digitalSignature, cRLSign\n\
[constrained]\n\
basicConstraints = critical, CA:TRUE\n\
nameConstraints = critical, permitted;DNS:localhost\n";

    /// A folder for openssl.
    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("openssl.cnf"), CONFIGURATION).unwrap();
            Self(folder)
        }

        fn openssl(&self, arguments: &str) {
            let run = Command::new("openssl")
                .args(arguments.split_whitespace())
                .current_dir(self.0.path())
                .output()
                .unwrap();
            assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        }

        /// A certificate that nothing but itself has issued, with these extensions, or of version 1.
        fn own(&self, name: &str, extensions: Option<&str>) -> CertificateDer<'static> {
            let with = extensions.map(|section| format!("-extensions {section}"));
            self.openssl(&format!(
                "req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
                 -subj /CN=localhost -keyout key -out {name} {}",
                with.unwrap_or_default()
            ));
            self.read(name, extensions.is_none())
        }

        /// One that the last of those has issued, for longer than that is valid.
        fn issued(&self, issuer: &str, extensions: Option<&str>) -> CertificateDer<'static> {
            self.openssl(
                "req -new -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
                 -subj /CN=localhost -keyout own -out request",
            );
            let with = extensions.map(|name| format!("-extfile openssl.cnf -extensions {name}"));
            self.openssl(&format!(
                "x509 -req -in request -CA {issuer} -CAkey key -CAcreateserial -days 9 -out issued {}",
                with.unwrap_or_default()
            ));
            self.read("issued", extensions.is_none())
        }

        fn read(&self, name: &str, is_old: bool) -> CertificateDer<'static> {
            let certificate = CertificateDer::from_pem_file(self.0.path().join(name)).unwrap();
            assert_eq!(Fields::read(&certificate).unwrap().is_old(), is_old, "{name}");
            certificate
        }
    }

    /// Two certificates that nothing but themselves has issued, of versions 1 and 3.
    fn certificates() -> [CertificateDer<'static>; 2] {
        let folder = Folder::new();
        [folder.own("old", None), folder.own("new", Some("leaf"))]
    }

    /// Whether `server` is accepted as localhost at a time, in seconds since 1970.
    fn verify(
        roots: &[&CertificateDer<'static>],
        server: &CertificateDer<'_>,
        seconds: i64,
    ) -> Result<(), Error> {
        let roots = roots.iter().map(|root| (*root).clone()).collect();
        let verifier = ServerVerifier::of_roots(roots, true).unwrap();
        let host = ServerName::try_from("localhost").unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds.unsigned_abs()));
        verifier.verify_server_cert(server, &[], &host, &[], now).map(|_| ())
    }

    fn refused(error: CertificateError) -> Result<(), Error> {
        Err(Error::InvalidCertificate(error))
    }

    fn validity(certificate: &CertificateDer<'_>) -> (i64, i64) {
        Fields::read(certificate).unwrap().validity
    }

    #[test]
    fn a_trusted_certificate_is_valid_in_its_time_alone() {
        for (version, certificate) in certificates().iter().enumerate() {
            let (first, last) = validity(certificate);
            let outcome = |seconds| verify(&[certificate], certificate, seconds);
            assert_eq!(last - first, 2 * 24 * 60 * 60, "{version}");
            outcome(first).unwrap();
            outcome(last).unwrap();
            assert_eq!(outcome(first - 1), refused(CertificateError::NotValidYet));
            assert_eq!(outcome(last + 1), refused(CertificateError::Expired));
        }
    }

    #[test]
    fn one_is_not_trusted_for_another() {
        let [old, new] = certificates();
        for (root, server) in [(&old, &new), (&new, &old)] {
            verify(&[root], server, validity(server).0).unwrap_err();
        }
    }

    #[test]
    fn a_root_that_cannot_be_read_keeps_none_from_issuing() {
        let garbage = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x07]);
        let folder = Folder::new();
        let authority = folder.own("authority", Some("authority"));
        for extensions in [None, Some("named")] {
            let server = folder.issued("authority", extensions);
            let now = validity(&server).0;
            verify(&[&garbage, &authority], &server, now).unwrap();
            verify(&[&garbage], &server, now).unwrap_err();
        }
    }

    #[test]
    fn an_authority_issues_within_its_limits() {
        let folder = Folder::new();
        for (section, may_issue) in [
            (None, true),
            (Some("authority"), true),
            (Some("signing"), true),
            (Some("encrypting"), false),
            (Some("constrained"), false),
            (Some("leaf"), false),
        ] {
            let authority = folder.own("authority", section);
            let server = folder.issued("authority", None);
            let (first, (_, last)) = (validity(&server).0, validity(&authority));
            let outcome = |seconds| verify(&[&authority], &server, seconds);
            if may_issue {
                outcome(first).unwrap();
                outcome(last).unwrap();
                assert_eq!(outcome(last + 1), refused(CertificateError::Expired), "{section:?}");
            } else {
                assert_eq!(outcome(first), refused(CertificateError::UnknownIssuer), "{section:?}");
            }
        }
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        for certificate in certificates() {
            let fields = Fields::read(&certificate).unwrap();
            assert_eq!(fields.names(), ["localhost"]);
            for length in 0..certificate.len() {
                assert!(Fields::read(&certificate[..length]).is_none(), "{length}");
            }
            // No panic, whatever a byte is.
            for at in 0..certificate.len() {
                for byte in [0x00, 0x7f, 0x80, 0x84, 0xff] {
                    let mut changed = certificate.to_vec();
                    changed[at] = byte;
                    if let Some(fields) = Fields::read(&changed) {
                        let _ = (fields.names(), fields.is_authority());
                    }
                }
            }
        }
    }
}
