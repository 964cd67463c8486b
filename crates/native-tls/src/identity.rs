//! What is trusted, and what the client shows of itself, from PEM.

use std::sync::Arc;

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::CryptoProvider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};

use crate::{Error, certificate::Fields};

/// Stands for no certificate and no key: sqlx takes a variable that is empty for the name of a file, unless it is given
/// something else.
pub const NOTHING: &str = "nothing";

/// Certificates that are trusted: those of authorities, or of servers.
#[derive(Debug, Clone)]
pub struct RootCertificates(pub(crate) Vec<CertificateDer<'static>>);

impl RootCertificates {
    /// Reads all of a file. One of a system's many may be unlike any certificate that is known here.
    ///
    /// # Errors
    /// When it has none that can be read, or one that is not in PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, Error> {
        if pem == NOTHING.as_bytes() {
            return Ok(Self(Vec::new()));
        }
        let all = certificates(pem).ok_or(Error::Roots)?;
        let is_any_read = all.iter().any(|certificate| Fields::read(certificate).is_some());
        if is_any_read { Ok(Self(all)) } else { Err(Error::Roots) }
    }
}

/// A client's certificate, with those of its issuers if need be, and its key.
#[derive(Debug, Clone)]
pub struct ClientIdentity(Option<Arc<CertifiedKey>>);

impl ClientIdentity {
    /// Reads both from PEM. The key may be in any of PKCS #8, PKCS #1 and SEC 1.
    ///
    /// # Errors
    /// When either cannot be read, or they do not belong together.
    pub fn from_pkcs8(certificate: &[u8], key: &[u8]) -> Result<Self, Error> {
        if [certificate, key] == [NOTHING.as_bytes(); 2] {
            return Ok(Self(None));
        }
        let chain = certificates(certificate).ok_or(Error::ClientCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Error::ClientKey)?;
        let key = provider().key_provider.load_private_key(key).map_err(|_| Error::ClientKey)?;
        let own = Fields::read(&chain[0]).ok_or(Error::ClientCertificate)?;
        if key.public_key().is_some_and(|public| *public != *own.public_key) {
            return Err(Error::ClientKeyMismatch);
        }
        Ok(Self(Some(Arc::new(CertifiedKey::new(chain, key)))))
    }
}

/// Shows the certificate to each server that asks for one, whatever authorities it names.
impl ResolvesClientCert for ClientIdentity {
    fn resolve(&self, _: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let own = self.0.as_ref()?;
        own.key.choose_scheme(schemes).map(|_| Arc::clone(own))
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}

/// The cryptography of every connection.
pub(crate) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}

fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
    (!all.is_empty()).then_some(all)
}
