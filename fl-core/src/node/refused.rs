//! What an institution refused to sign, on disk: evidence, which nothing that comes later replaces.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::Path,
};

/// File of an institution's directory with the transcript of what it last refused to sign. What was refused before, and isn't the beginning of
/// it, is kept as `refused-1.xfl` and so on.
pub const REFUSED: &str = "refused.xfl";

/// Keeps a transcript of what was refused.
pub(super) fn keep(dir: &Path, transcript: &[u8]) -> io::Result<()> {
    let path = dir.join(REFUSED);
    match fs::read(&path) {
        Ok(kept) if kept.starts_with(transcript) => return Ok(()),
        Ok(kept) if transcript.starts_with(&kept) => {}
        Ok(_) => set_aside(dir)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    new.write_all(transcript)?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    File::open(dir)?.sync_all()
}

/// Gives what is kept another name, the first that is free.
fn set_aside(dir: &Path) -> io::Result<()> {
    for number in 1u32.. {
        match fs::hard_link(dir.join(REFUSED), dir.join(format!("refused-{number}.xfl"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn no_evidence_is_lost_to_what_comes_later() {
        let folder = tempfile::tempdir().unwrap();
        let holds = |name: &str, what: &str| assert_eq!(fs::read_to_string(folder.path().join(name)).unwrap(), what);
        for transcript in ["a lie", "a lie, and more of it", "a lie"] {
            keep(folder.path(), transcript.as_bytes()).unwrap();
        }
        holds(REFUSED, "a lie, and more of it");
        keep(folder.path(), b"another lie").unwrap();
        keep(folder.path(), b"a third").unwrap();
        holds(REFUSED, "a third");
        holds("refused-1.xfl", "a lie, and more of it");
        holds("refused-2.xfl", "another lie");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
