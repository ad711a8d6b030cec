//! The master key: from the configuration, or a file of its own beside the store.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::{Config, StoreUrl};
use crate::model::fault::Fault;
use crate::secret::{self, MasterKeys, Secret};
use crate::store;

/// The master keys in force. Where none is set, `master.key` beside the store counts, and a new
/// store gets one; a store that has keys already never gets another.
pub(super) fn load(config: &Config, is_in_use: bool) -> Result<MasterKeys, Fault> {
    if !config.keys.master.is_empty() {
        return MasterKeys::new(&config.keys.master);
    }
    let folder = store::location(&config.store.url);
    let path = folder.join("master.key");
    let is_there = path.exists();
    if is_there && !is_in_use && !unused(&folder).exists() {
        return Err(used_elsewhere(&config.store.url, &path));
    }
    if !is_there {
        if is_in_use {
            return Err(Fault::internal(format_args!(
                "the store is in use, but its master key is not there: put {} back, or set keys.master or keys.master_file",
                path.display()
            )));
        }
        generate(&folder, &path)?;
    }
    MasterKeys::new(&[read(&path)?])
}

/// Beside a master key that no store is sealed under yet: it was made by a first start that has not finished.
fn unused(folder: &Path) -> PathBuf {
    folder.join("master.key.unused")
}

/// Notes that the store is sealed under the master key beside it, so that an empty store there is not taken for
/// a first start again.
///
/// # Errors
/// An internal fault that names the file.
pub(super) fn mark_used(config: &Config) -> Result<(), Fault> {
    let path = unused(&store::location(&config.store.url));
    match fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(&path, &error)),
        _ => Ok(()),
    }
}

/// An empty store beside a master key that was in use: a database that was truncated or lost, or another one.
fn used_elsewhere(url: &StoreUrl, path: &Path) -> Fault {
    let store = match url {
        StoreUrl::Sqlite { path } => path.display().to_string(),
        StoreUrl::Postgres { .. } => "the database of store.url".to_owned(),
    };
    let (key, folder) = (path.display(), path.parent().unwrap_or(Path::new(".")));
    let unused = unused(folder);
    Fault::internal(format_args!(
        "{store} is empty, but {key} beside it has been in use: the database was truncated, deleted, or is another one. \
         Restore it from a backup. To begin with a new store on purpose, move {key} away; \
         to begin with this very key, make the empty file {}",
        unused.display()
    ))
}

fn read(path: &Path) -> Result<Secret<[u8; 32]>, Fault> {
    let text = fs::read_to_string(path).map_err(|error| at(path, &error))?;
    let bytes = STANDARD
        .decode(text.trim())
        .ok()
        .and_then(|bytes| bytes.try_into().ok());
    bytes
        .map(Secret::new)
        .ok_or_else(|| Fault::internal(format_args!("{}: not 32 bytes in base64", path.display())))
}

/// Written aside and linked into place: of two starts at one time, both use the one that was first.
fn generate(folder: &Path, path: &Path) -> Result<(), Fault> {
    store::make_private_folder(folder)?;
    let aside = folder.join(format!("master.key.{}", secret::random_text(8)));
    let key: [u8; 32] = secret::random_bytes();
    // Before the key itself: a start that is killed between the two can be repeated.
    let marked = write_private(&unused(folder), "");
    if let Err(error) = marked
        && error.kind() != ErrorKind::AlreadyExists
    {
        return Err(at(&unused(folder), &error));
    }
    let written = write_private(&aside, &format!("{}\n", STANDARD.encode(key)));
    let linked = written.and_then(|()| {
        fs::hard_link(&aside, path)?;
        File::open(folder)?.sync_all()
    });
    // The name aside has done its work, or never came to be.
    drop(fs::remove_file(&aside));
    match linked {
        Ok(()) => {
            tracing::warn!(
                path = %path.display(),
                "a master key was made; keep a copy: without it the keys in a backup of the store are lost"
            );
            Ok(())
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(at(path, &error)),
    }
}

/// Writes a file that only this user reads (mode 0600), and that was not there before.
///
/// # Errors
/// `AlreadyExists` where it was, or another error of the file system.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    // The folder too: without it the name may be gone after a power loss.
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn at(path: &Path, error: &std::io::Error) -> Fault {
    let path = path.display();
    Fault::internal(format_args!(
        "{path}: {error}; keys.master or keys.master_file would do without"
    ))
}
