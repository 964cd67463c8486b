//! Throw-away certificates, made by the program `openssl`.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;

/// What openssl is told of a request and of an authority, in place of the system's defaults.
const CONFIGURATION: &str = "\
[req]\n\
distinguished_name = name\n\
x509_extensions = authority\n\
[name]\n\
[authority]\n\
basicConstraints = critical, CA:TRUE\n";

/// An authority that issues certificates, in a folder of its own.
pub(crate) struct Authority {
    folder: TempDir,
}

/// The files of a certificate and of its key.
pub(crate) struct Certified {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certified {
    /// The content of both.
    pub(crate) fn read(&self) -> (Vec<u8>, Vec<u8>) {
        (fs::read(&self.certificate).unwrap(), fs::read(&self.key).unwrap())
    }
}

impl Authority {
    pub(crate) fn new() -> Self {
        let authority = Self { folder: TempDir::new().unwrap() };
        fs::write(authority.path("openssl.cnf"), CONFIGURATION).unwrap();
        authority.openssl(
            "req -x509 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
             -subj /CN=Authority -keyout authority.key -out authority.crt",
        );
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Its own certificate.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("authority.crt")
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A certificate of version 1 for a common name, which nothing has issued but itself.
    pub(crate) fn self_signed(&self, name: &str, common_name: &str) -> Certified {
        let certified = self.request(name, common_name);
        self.openssl(&format!(
            "x509 -req -in {name}.csr -signkey {name}.key -days 2 -out {name}.crt"
        ));
        self.assert_version(name, 1);
        certified
    }

    /// A certificate for a common name, of version 1 unless it has `extensions`.
    pub(crate) fn issue(&self, name: &str, common_name: &str, extensions: &str) -> Certified {
        let certified = self.request(name, common_name);
        fs::write(self.path("extensions"), extensions).unwrap();
        let with = if extensions.is_empty() { "" } else { "-extfile extensions" };
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA authority.crt -CAkey authority.key -CAcreateserial -days 2 {with} \
             -out {name}.crt"
        ));
        self.assert_version(name, if extensions.is_empty() { 1 } else { 3 });
        certified
    }

    fn assert_version(&self, name: &str, version: u8) {
        let stated = self.openssl(&format!("x509 -in {name}.crt -noout -text"));
        assert!(stated.contains(&format!("Version: {version} ")), "{stated}");
    }

    fn request(&self, name: &str, common_name: &str) -> Certified {
        self.openssl(&format!(
            "req -new -config openssl.cnf -newkey rsa:2048 -nodes -subj /CN={common_name} -keyout {name}.key \
             -out {name}.csr"
        ));
        let file = |suffix| self.path(&format!("{name}.{suffix}"));
        Certified { certificate: file("crt"), key: file("key") }
    }

    /// Runs openssl in the folder, and returns what it prints.
    pub(crate) fn openssl(&self, arguments: &str) -> String {
        let run = Command::new("openssl")
            .args(arguments.split_whitespace())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(run.status.success(), "{arguments}: {}", String::from_utf8_lossy(&run.stderr));
        String::from_utf8(run.stdout).unwrap()
    }
}
