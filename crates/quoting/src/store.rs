//! What the quoting service keeps in a directory of emulated platforms.
//!
//! ```text
//! ROOT/                 the emulator's directory, mode 0700
//!   emulated-root.seed  mode 0600: 64 hexadecimal digits, the seed of this directory's root
//!   NAME.conditions     conditions platform NAME is in on purpose, one a line; may be absent
//! ```
//!
//! All platforms of a directory have its root; directories with equal seed files have the same one.
//! The seed is the root's private key for all purposes and is refused if others can read it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crypto::Secret;
use rand_core::Rng as _;

use crate::condition::Condition;
use crate::error::Error;
use crate::hex;
use crate::key::Seed;

/// Name of the seed file in a platform's directory.
pub const SEED_FILE: &str = "emulated-root.seed";

/// Opens the seed in a platform's directory, or draws and writes one if there is none.
///
/// The directory must exist. When several processes create the seed at once, all end up with the
/// same one.
///
/// # Errors
///
/// [`Error::Io`], [`Error::ExposedSeed`] or [`Error::MalformedSeed`].
pub fn open_or_create(directory: &Path) -> Result<Seed, Error> {
    let path = directory.join(SEED_FILE);
    match File::open(&path) {
        Ok(file) => read(file, path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            create(directory, &path)?;
            let file = File::open(&path).map_err(io_error("open", &path))?;
            read(file, path)
        }
        Err(error) => Err(io_error("open", &path)(error)),
    }
}

/// Reads the conditions that a platform was put into, none if the file is absent.
///
/// # Errors
///
/// [`Error::Io`] or [`Error::MalformedConditions`].
pub fn conditions(directory: &Path, platform: &str) -> Result<Vec<Condition>, Error> {
    let path = conditions_path(directory, platform);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(io_error("read", &path)(error)),
    };
    text.lines()
        .map(str::parse)
        .collect::<Result<_, _>>()
        .map_err(|source| Error::MalformedConditions { path, source })
}

/// Puts a platform into exactly these conditions.
///
/// # Errors
///
/// [`Error::Io`].
pub fn set_conditions(
    directory: &Path,
    platform: &str,
    conditions: &[Condition],
) -> Result<(), Error> {
    let path = conditions_path(directory, platform);
    let text: String = conditions.iter().map(|condition| format!("{condition}\n")).collect();
    fs::write(&path, text).map_err(io_error("write", &path))
}

fn conditions_path(directory: &Path, platform: &str) -> PathBuf {
    directory.join(format!("{platform}.conditions"))
}

fn read(mut file: File, path: PathBuf) -> Result<Seed, Error> {
    let mode = file.metadata().map_err(io_error("inspect", &path))?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::ExposedSeed { path, mode });
    }
    let mut text = String::new();
    match file.read_to_string(&mut text) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => text.clear(),
        Err(error) => return Err(io_error("read", &path)(error)),
    }
    let bytes = hex::decode(text.trim_end()).and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Seed::new).ok_or_else(|| Error::MalformedSeed {
        path,
        found: format!("{} characters that are no such number", text.trim_end().len()),
    })
}

/// Writes a new seed under a temporary name and links it into place, so that nobody ever reads half
/// a file and the first of several creators wins.
fn create(directory: &Path, path: &Path) -> Result<(), Error> {
    let mut seed = Secret::new([0; 32]);
    crypto::os_rng().fill_bytes(seed.expose_mut());
    let temporary = directory.join(format!(".{SEED_FILE}.{}", std::process::id()));
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| {
            file.write_all(hex::lower(seed.expose()).as_bytes())?;
            file.write_all(b"\n")?;
            file.sync_all()
        })
        .map_err(io_error("write", &temporary));
    let linked = written.and_then(|()| match fs::hard_link(&temporary, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(io_error("create", path)(error))
        }
        _ => Ok(()),
    });
    let _ = fs::remove_file(&temporary);
    linked
}

fn io_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |source| Error::Io { operation, path, source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::key::SigningKey;

    #[test]
    fn a_seed_is_made_once_and_then_kept() {
        let directory = tempfile::tempdir().unwrap();
        let first = open_or_create(directory.path()).unwrap();
        let key = |seed: &Seed| SigningKey::derive(seed, "test", b"").public_key();
        assert_eq!(key(&first), key(&open_or_create(directory.path()).unwrap()));
        let names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, [SEED_FILE]);
        let mode = fs::metadata(directory.path().join(SEED_FILE)).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(key(&first), key(&open_or_create(other.path()).unwrap()));
    }

    #[test]
    fn a_seed_others_can_read_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        open_or_create(directory.path()).unwrap();
        let path = directory.path().join(SEED_FILE);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = open_or_create(directory.path()).unwrap_err();
        assert!(error.to_string().contains("mode 0640, expected 0600"), "{error}");
    }

    #[test]
    fn conditions_are_kept_for_each_platform() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(conditions(directory.path(), "one").unwrap(), []);
        let wanted = [Condition::RevokedPck, Condition::Evaluation(3)];
        set_conditions(directory.path(), "one", &wanted).unwrap();
        assert_eq!(conditions(directory.path(), "one").unwrap(), wanted);
        assert_eq!(conditions(directory.path(), "two").unwrap(), []);
        set_conditions(directory.path(), "one", &[]).unwrap();
        assert_eq!(conditions(directory.path(), "one").unwrap(), []);
        fs::write(directory.path().join("one.conditions"), "revoked\n").unwrap();
        let error = conditions(directory.path(), "one").unwrap_err();
        assert!(error.to_string().contains("one.conditions"), "{error}");
    }

    #[test]
    fn a_damaged_seed_is_refused_and_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        open_or_create(directory.path()).unwrap();
        let path = directory.path().join(SEED_FILE);
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [&text[..60], "", &text.replace('\n', "00\n")] {
            fs::write(&path, damaged).unwrap();
            let error = open_or_create(directory.path()).unwrap_err().to_string();
            assert!(error.contains("expected 64 hexadecimal digits"), "{error}");
            assert!(!error.contains(&text[..16]), "{error}");
        }
        fs::write(&path, [0xff; 64]).unwrap();
        assert!(matches!(open_or_create(directory.path()), Err(Error::MalformedSeed { .. })));
    }
}
