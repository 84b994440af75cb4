//! What an institution refused to sign, on disk: evidence, which nothing that comes later replaces.

use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// File of an institution's directory with the transcript of what it last refused to sign. What was refused before, and isn't the beginning of
/// it, is kept as `refused-1.xfl` and so on.
pub const REFUSED: &str = "refused.xfl";

/// The most that are kept beside the last.
const MOST: u32 = 32;

/// Keeps a transcript of what was refused.
pub(super) fn keep(dir: &Path, transcript: &[u8]) -> io::Result<()> {
    let path = dir.join(REFUSED);
    let mut numbered = Vec::new();
    for number in 1..=MOST {
        match fs::read(aside(dir, number)) {
            Ok(kept) if kept.starts_with(transcript) => return Ok(()),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => numbered.push(number),
            Err(error) => return Err(error),
        }
    }
    match fs::read(&path) {
        Ok(kept) if kept.starts_with(transcript) => return Ok(()),
        Ok(kept) if transcript.starts_with(&kept) => {}
        Ok(kept) => match numbered.first() {
            Some(number) => written(dir, &aside(dir, *number), &kept)?,
            None => {
                return Err(io::Error::other(format!(
                    "{MOST} others are kept already; move them elsewhere"
                )));
            }
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    written(dir, &path, transcript)
}

fn aside(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("refused-{number}.xfl"))
}

/// Writes a file in one step.
fn written(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut new = tempfile::NamedTempFile::new_in(dir)?;
    new.write_all(bytes)?;
    new.as_file().sync_all()?;
    new.persist(path)?;
    File::open(dir)?.sync_all()
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
        // What is there already isn't kept again.
        keep(folder.path(), b"another lie").unwrap();
        holds(REFUSED, "a third");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
        for number in 3..=MOST {
            keep(folder.path(), format!("lie {number}").as_bytes()).unwrap();
        }
        keep(folder.path(), b"one too many").unwrap_err();
        holds(REFUSED, &format!("lie {MOST}"));
    }
}
