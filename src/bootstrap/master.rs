//! The master key: from the configuration, or a file of its own beside the store.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::config::Config;
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
    if !path.exists() {
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
