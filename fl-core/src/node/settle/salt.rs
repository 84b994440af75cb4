//! What keeps the runs of one plan apart: sixteen random bytes, drawn once.
//!
//! They are on disk before anything is deployed: a coordinator that was stopped in between finds its contracts again instead of paying for others.

use std::{io, path::Path};

/// The file in a run's directory.
const FILE: &str = "run.salt";

/// The salt of the run in a directory: as it was drawn there, else drawn now with `entropy` and kept.
///
/// # Errors
/// Those of the file and of `entropy`; a file of another length.
pub fn run_salt(dir: &Path, entropy: impl FnOnce() -> io::Result<[u8; 16]>) -> io::Result<[u8; 16]> {
    let path = dir.join(FILE);
    match std::fs::read(&path) {
        Ok(bytes) => bytes.try_into().map_err(|bytes: Vec<u8>| {
            let what = format!("{}: expected 16 bytes, got {}", path.display(), bytes.len());
            io::Error::new(io::ErrorKind::InvalidData, what)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let salt = entropy()?;
            let new = tempfile::NamedTempFile::new_in(dir)?;
            std::fs::write(new.path(), salt)?;
            new.as_file().sync_all()?;
            new.persist(&path)?;
            // Without it a crash could take the name back, after contracts were paid for.
            std::fs::File::open(dir)?.sync_all()?;
            Ok(salt)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_one_salt_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(run_salt(dir.path(), || Ok([7; 16])).unwrap(), [7; 16]);
        assert_eq!(run_salt(dir.path(), || Ok([8; 16])).unwrap(), [7; 16]);
        std::fs::write(dir.path().join(FILE), [1; 15]).unwrap();
        let cut = run_salt(dir.path(), || Ok([8; 16])).unwrap_err();
        assert!(cut.to_string().contains("expected 16 bytes, got 15"), "{cut}");
        let other = tempfile::tempdir().unwrap();
        run_salt(other.path(), || Err(io::ErrorKind::Unsupported.into())).unwrap_err();
        assert!(!other.path().join(FILE).exists());
    }
}
