//! Backing up the files of the embedded PostgreSQL, and restoring them: one compressed file, of everything that is in the
//! database.
//!
//! The engine's library keeps in the data folder only what differs from a template of its own. A backup holds both as
//! one, so that a later version of the library can open it. Never reads or writes files that an engine works with: the lock
//! of the data folder is held all the while.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Component, Path, PathBuf},
};

use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{
    cache,
    folder::{self, DataFolder},
};
use crate::db::{connect::ConnectError, migrations::SchemaState};

/// What a backup of today is like.
const FORMAT: u32 = 1;

/// The first entry of a backup.
const MANIFEST_NAME: &str = "metricd-backup.json";

/// The largest one that is read.
const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;

/// The folder of the database's files in a backup.
const FILES_NAME: &str = "base";

/// PostgreSQL's files among those of the engine.
const DATABASE_FILES: &str = "tmp/pglite/base";

/// What only a running engine needs, or the library beside its template.
const OVERLAY_NAME: &str = ".pglite-oxide-pgdata-overlay.json";
const LEFT_OUT: [&str; 3] = [OVERLAY_NAME, "postmaster.pid", "postmaster.opts"];

/// Stands before the name of a file of the template that is gone.
const REMOVED: &str = ".wh.";

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupManifest {
    format: u32,
    /// The version of metricd that made it.
    pub metricd: String,
    /// The major version of PostgreSQL whose files it holds.
    pub postgresql: String,
    /// The migrations that its schema has seen.
    pub migrations: Vec<String>,
    /// The last migration of the oldest version of metricd that works with it, if the schema says so.
    pub oldest: Option<String>,
}

impl BackupManifest {
    /// That of a database of this version's PostgreSQL.
    #[must_use]
    pub fn new(metricd: &str, schema: SchemaState) -> Self {
        Self {
            format: FORMAT,
            metricd: metricd.to_owned(),
            postgresql: POSTGRESQL.to_owned(),
            migrations: schema.applied,
            oldest: schema.oldest,
        }
    }
}

/// What a manifest of any format says.
#[derive(Deserialize)]
struct Made {
    format: u32,
    metricd: String,
}

/// The major version of the embedded PostgreSQL.
const POSTGRESQL: &str = "17";

/// Why there is no backup, or why it was not restored. Nothing was changed then.
#[derive(Debug, Error)]
pub enum BackupError {
    /// The data folder cannot be used, or another process works with it.
    #[error(transparent)]
    Folder(#[from] ConnectError),
    /// There is nothing to back up.
    #[error("there is no database in the data folder {}", dir.display())]
    NoDatabase {
        /// The folder.
        dir: PathBuf,
    },
    /// A backup is not written over another file.
    #[error("{} exists already: give another name", file.display())]
    Exists {
        /// The file.
        file: PathBuf,
    },
    /// A backup is not restored over anything.
    #[error(
        "the data folder {} is not empty: give another by `--data-dir`, or move away what is in it",
        dir.display()
    )]
    NotEmpty {
        /// The folder.
        dir: PathBuf,
    },
    /// The file is something else.
    #[error("{} is not a backup that `metricd backup` has made", file.display())]
    NotABackup {
        /// The file.
        file: PathBuf,
    },
    /// A later version of metricd has made it.
    #[error("{} was made by metricd {metricd}, {what}; restore it with that version", file.display())]
    Newer {
        /// The file.
        file: PathBuf,
        /// The version that made it.
        metricd: String,
        /// What this version does not know.
        what: String,
    },
    /// The file is cut short or damaged.
    #[error("{} is damaged", file.display())]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What was found.
        #[source]
        source: io::Error,
    },
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The error of reading or writing `path`.
fn at(path: &Path) -> impl Fn(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path: path.clone(), source }
}

/// Refuses what cannot be backed up to `file`, before anything is done.
///
/// # Errors
/// When there is no database in `data_dir`, or the file exists.
pub fn check_backup(data_dir: &Path, file: &Path) -> Result<(), BackupError> {
    if !folder::files(data_dir).join(DATABASE_FILES).join("PG_VERSION").is_file() {
        return Err(BackupError::NoDatabase { dir: data_dir.to_owned() });
    }
    if file.symlink_metadata().is_ok() {
        return Err(BackupError::Exists { file: file.to_owned() });
    }
    Ok(())
}

/// Writes the database in `data_dir`, whose engine has ended, to `file`, which only its owner may read. The file is there
/// once it is complete.
///
/// # Errors
/// When the folder is in use, or a file cannot be read or written.
pub fn back_up(data_dir: &Path, file: &Path, manifest: &BackupManifest) -> Result<(), BackupError> {
    check_backup(data_dir, file)?;
    let data = DataFolder::open(data_dir)?;
    let files = database_files(&data)?;
    let dir = match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    // Only its owner may read it.
    let mut written =
        tempfile::Builder::new().prefix(".metricd-backup-").tempfile_in(dir).map_err(at(dir))?;
    pack(written.as_file_mut(), &files, manifest, at(file))?;
    written.as_file().sync_all().map_err(at(file))?;
    written.persist_noclobber(file).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => BackupError::Exists { file: file.to_owned() },
        _ => at(file)(error.error),
    })?;
    sync(dir)
}

/// An entry of the archive: a folder, or a file that is there.
enum Entry {
    Folder,
    File(PathBuf),
}

/// What PostgreSQL sees as its files: those of the template, and before them those of the data folder.
fn database_files(data: &DataFolder) -> Result<BTreeMap<PathBuf, Entry>, BackupError> {
    let own = folder::files(data.dir()).join(DATABASE_FILES);
    let mut files = BTreeMap::new();
    if let Some(template) = template(data, &own)? {
        collect(&template, Path::new(""), &mut files)?;
    }
    collect(&own, Path::new(""), &mut files)?;
    Ok(files)
}

/// The template that the files of the data folder stand before, if they do.
fn template(data: &DataFolder, own: &Path) -> Result<Option<PathBuf>, BackupError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Overlay {
        template_archive_sha256: String,
    }
    let path = own.join(OVERLAY_NAME);
    let overlay = match fs::read(&path) {
        Ok(overlay) => overlay,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&path)(error)),
    };
    let overlay: Overlay =
        serde_json::from_slice(&overlay).map_err(|error| at(&path)(error.into()))?;
    let cache = cache::of(data.dir()).map_err(at(data.dir()))?.folder.join("pgdata-template");
    for version in fs::read_dir(&cache).map_err(at(&cache))? {
        let version = version.map_err(at(&cache))?.path();
        let template = version.join(&overlay.template_archive_sha256).join("base");
        if template.join("PG_VERSION").is_file() {
            return Ok(Some(template));
        }
    }
    Err(at(&cache)(io::Error::new(io::ErrorKind::NotFound, "the engine's template is not there")))
}

/// Adds what is in `dir` of `root`, in place of what `files` has by these names.
fn collect(
    root: &Path,
    dir: &Path,
    files: &mut BTreeMap<PathBuf, Entry>,
) -> Result<(), BackupError> {
    let whole = root.join(dir);
    let entries = fs::read_dir(&whole).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.map_err(at(&whole))?;
    for entry in &entries {
        if let Some(name) = entry.file_name().to_str().and_then(|name| name.strip_prefix(REMOVED)) {
            let removed = dir.join(name);
            files.retain(|path, _| !path.starts_with(&removed));
        }
    }
    for entry in entries {
        let name = entry.file_name();
        let path = dir.join(&name);
        let is_mark = name.as_encoded_bytes().starts_with(REMOVED.as_bytes());
        if is_mark || LEFT_OUT.iter().any(|left| path == Path::new(left)) {
            continue;
        }
        let kind = entry.file_type().map_err(at(&entry.path()))?;
        if kind.is_dir() {
            files.insert(path.clone(), Entry::Folder);
            collect(root, &path, files)?;
        } else if kind.is_file() {
            files.insert(path, Entry::File(entry.path()));
        }
    }
    Ok(())
}

fn pack(
    file: &mut File,
    files: &BTreeMap<PathBuf, Entry>,
    manifest: &BackupManifest,
    failed: impl Fn(io::Error) -> BackupError,
) -> Result<(), BackupError> {
    let mut archive = tar::Builder::new(GzEncoder::new(file, Compression::fast()));
    let mut append = |path: &Path, size: u64, kind: tar::EntryType, content: &mut dyn Read| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind.is_dir() { 0o700 } else { 0o600 });
        header.set_size(size);
        archive.append_data(&mut header, path, content)
    };
    let about = serde_json::to_vec(manifest).map_err(|error| failed(error.into()))?;
    append(Path::new(MANIFEST_NAME), about.len() as u64, tar::EntryType::Regular, &mut &*about)
        .map_err(&failed)?;
    for (path, entry) in files {
        let path = Path::new(FILES_NAME).join(path);
        match entry {
            Entry::Folder => {
                append(&path, 0, tar::EntryType::Directory, &mut io::empty()).map_err(&failed)?;
            }
            Entry::File(from) => {
                let mut content = File::open(from).map_err(at(from))?;
                let size = content.metadata().map_err(at(from))?.len();
                append(&path, size, tar::EntryType::Regular, &mut content).map_err(&failed)?;
            }
        }
    }
    let encoder = archive.into_inner().map_err(&failed)?;
    encoder.finish().and_then(io::Write::flush).map_err(&failed)
}

/// Refuses what this version cannot restore.
fn check_manifest(file: &Path, manifest: &BackupManifest) -> Result<(), BackupError> {
    let newer = |what: String| BackupError::Newer {
        file: file.to_owned(),
        metricd: manifest.metricd.clone(),
        what,
    };
    if manifest.postgresql != POSTGRESQL {
        return Err(newer(format!("with the files of PostgreSQL {}", manifest.postgresql)));
    }
    let schema = SchemaState::new(manifest.migrations.clone(), manifest.oldest.clone());
    if !schema.works() {
        let last = manifest.migrations.last().map(String::as_str).unwrap_or_default();
        return Err(newer(format!("with whose schema ({last}) this version does not work")));
    }
    Ok(())
}

type Unpacking = tar::Archive<GzDecoder<io::BufReader<File>>>;

/// Opens a backup, and reads its manifest.
fn open(file: &Path) -> Result<(BackupManifest, Unpacking), BackupError> {
    let archive = || -> Result<Unpacking, BackupError> {
        let content = io::BufReader::new(File::open(file).map_err(at(file))?);
        Ok(tar::Archive::new(GzDecoder::new(content)))
    };
    let not_a_backup = || BackupError::NotABackup { file: file.to_owned() };
    let mut first = archive()?;
    let mut entries = first.entries().map_err(|_| not_a_backup())?;
    let Some(Ok(entry)) = entries.next() else { return Err(not_a_backup()) };
    if !entry.path().is_ok_and(|path| path == Path::new(MANIFEST_NAME)) {
        return Err(not_a_backup());
    }
    let mut about = Vec::new();
    entry.take(MAX_MANIFEST_BYTES).read_to_end(&mut about).map_err(|_| not_a_backup())?;
    let Made { format, metricd } = serde_json::from_slice(&about).map_err(|_| not_a_backup())?;
    if format != FORMAT {
        return Err(BackupError::Newer {
            file: file.to_owned(),
            metricd,
            what: "in a format that this version does not know".into(),
        });
    }
    let manifest = serde_json::from_slice(&about).map_err(|_| not_a_backup())?;
    Ok((manifest, archive()?))
}

/// Refuses a folder that has anything in it but what a file system has by itself, and what a restore has left that was killed.
fn check_is_free(data_dir: &Path) -> Result<(), BackupError> {
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(at(data_dir)(error)),
    };
    for entry in entries {
        let entry = entry.map_err(at(data_dir))?;
        let path = entry.path();
        let is_nothing = entry.file_name() == "lost+found"
            || folder::is_own(data_dir, &path)
                && (path != folder::files(data_dir) || has_no_file(&path).map_err(at(&path))?);
        if !is_nothing {
            return Err(BackupError::NotEmpty { dir: data_dir.to_owned() });
        }
    }
    Ok(())
}

/// Whether there is nothing in a folder but folders.
fn has_no_file(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if !entry.file_type()?.is_dir() || !has_no_file(&entry.path())? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn remove_unfinished(unpacked: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(unpacked) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(unpacked)(error)),
        _ => Ok(()),
    }
}

/// Makes the database of what was unpacked, once all of it is on the disk.
fn put_in_place(unpacked: &Path, data: &DataFolder) -> Result<(), BackupError> {
    let place = folder::files(data.dir()).join(DATABASE_FILES);
    sync_folders(unpacked)?;
    place.parent().map_or(Ok(()), fs::create_dir_all).map_err(at(&place))?;
    fs::rename(unpacked, &place).map_err(at(&place))?;
    // The folders above are new as well, and so may the data folder be.
    let above = place.ancestors().skip(1);
    let ours = above.take_while(|folder| folder.starts_with(data.dir()));
    ours.chain(data.dir().parent()).try_for_each(sync)
}

/// Forces the names in a folder, and in those in it, to the disk.
fn sync_folders(dir: &Path) -> Result<(), BackupError> {
    for entry in fs::read_dir(dir).map_err(at(dir))? {
        let entry = entry.map_err(at(dir))?;
        if entry.file_type().map_err(at(dir))?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync(dir)
}

fn sync(dir: &Path) -> Result<(), BackupError> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(at(dir))
}

/// Makes the database in `data_dir`, which must be empty or not there, of the backup `file`. It is there once it is
/// complete.
///
/// # Errors
/// When the folder has something in it, or the file is no whole backup, or one of a later version.
pub fn restore(file: &Path, data_dir: &Path) -> Result<BackupManifest, BackupError> {
    let (manifest, archive) = open(file)?;
    check_manifest(file, &manifest)?;
    // Nothing is made in a folder that has something in it.
    check_is_free(data_dir)?;
    let data = DataFolder::open(data_dir)?;
    check_is_free(data.dir())?;
    let unpacked = folder::unfinished_restore(data.dir());
    let done = remove_unfinished(&unpacked)
        .and_then(|()| unpack(archive, file, &unpacked))
        .and_then(|()| put_in_place(&unpacked, &data));
    if done.is_err() {
        // The folder is empty again.
        let _ = fs::remove_dir_all(&unpacked);
        let _ = fs::remove_dir_all(folder::files(data.dir()));
        data.abandon();
    }
    done.map(|()| manifest)
}

fn unpack(mut archive: Unpacking, file: &Path, to: &Path) -> Result<(), BackupError> {
    let damaged = |source: io::Error| BackupError::Corrupt { file: file.to_owned(), source };
    let make =
        |dir: &Path| fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(at(dir));
    make(to)?;
    for entry in archive.entries().map_err(damaged)?.skip(1) {
        let mut entry = entry.map_err(damaged)?;
        let path = entry.path().map_err(damaged)?.into_owned();
        let stray =
            || damaged(io::Error::new(io::ErrorKind::InvalidData, path.display().to_string()));
        let path_inside = path.strip_prefix(FILES_NAME).map_err(|_| stray())?;
        if !path_inside.components().all(|part| matches!(part, Component::Normal(_))) {
            return Err(stray());
        }
        let target = to.join(path_inside);
        match entry.header().entry_type() {
            tar::EntryType::Directory => make(&target)?,
            tar::EntryType::Regular => {
                let mut options = OpenOptions::new();
                let written = options.write(true).create_new(true).mode(0o600);
                let mut written = written.open(&target).map_err(at(&target))?;
                copy(&mut entry, &mut written, &target, damaged)?;
                written.sync_all().map_err(at(&target))?;
            }
            _ => return Err(stray()),
        }
    }
    // The end of the file has a checksum.
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(damaged)?;
    let is_whole = ["PG_VERSION", "global/pg_control"].iter().all(|name| to.join(name).is_file());
    if is_whole { Ok(()) } else { Err(BackupError::NotABackup { file: file.to_owned() }) }
}

/// Copies a file, and tells what cannot be read from what cannot be written.
fn copy(
    from: &mut impl Read,
    to: &mut File,
    path: &Path,
    damaged: impl Fn(io::Error) -> BackupError,
) -> Result<(), BackupError> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer).map_err(&damaged)? {
            0 => return Ok(()),
            read => to.write_all(&buffer[..read]).map_err(at(path))?,
        }
    }
}
