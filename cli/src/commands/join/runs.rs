//! In which directory a payout key signs for which contracts: a file beside the key, so that it never signs for the same ones in two.
//!
//! What was signed is known in an institution's directory alone. Contracts follow from a run's salt, which is the coordinator's: one that gives a new run
//! an old one's salt has the old contracts again, and an institution that began anew in another directory would sign a second header for a round, for
//! which anybody can have it slashed. So the first join notes the header domain with the directory, and another directory is refused. It holds
//! as long as the file stays with the key: a key that is used from two machines has a file on each, and they don't know of each other.

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use xfl_settlement::domain::Domain;

use crate::{
    failure::{Code, Failure},
    files,
};

/// The longest file that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The domain separator, in hexadecimal digits.
    domain: String,
    /// The directory of the institution's state.
    dir: PathBuf,
}

/// What is known of a key.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Claimed {
    /// Whether this run is on record. A read-only folder (a mounted secret) can't hold the file.
    pub(super) noted: bool,
    /// Directories of other runs.
    pub(super) elsewhere: Vec<PathBuf>,
}

/// Notes that a key signs for these contracts in this directory.
pub(super) fn claim(key: &Path, dir: &Path, domain: &Domain) -> Result<Claimed, Failure> {
    let mut path = key.to_owned().into_os_string();
    path.push(".runs");
    let path = PathBuf::from(path);
    let fail = |error: &io::Error| Failure::file(&path, error);
    let dir = dir.canonicalize().map_err(|error| Failure::file(dir, &error))?;
    let options = |write| {
        let mut options = OpenOptions::new();
        options.read(true).append(write).create(write).mode(0o600);
        options.open(&path)
    };
    let (mut file, writable) = match options(true) {
        Ok(file) => (file, true),
        Err(error) if closed(&error) => match options(false) {
            Ok(file) => (file, false),
            Err(error) if error.kind() == io::ErrorKind::NotFound || closed(&error) => return Ok(Claimed::default()),
            Err(error) => return Err(fail(&error)),
        },
        Err(error) => return Err(fail(&error)),
    };
    // Two that begin at once: one after the other.
    file.lock().map_err(|error| fail(&error))?;
    let domain = files::hex(&domain.separator());
    let lines = read(&mut file, &path)?;
    let others: BTreeSet<&PathBuf> = lines
        .iter()
        .map(|line| &line.dir)
        .filter(|other| **other != dir)
        .collect();
    let elsewhere: Vec<PathBuf> = others.into_iter().cloned().collect();
    if let Some(line) = lines.iter().find(|line| line.domain == domain) {
        return match line.dir == dir {
            true => Ok(Claimed { noted: true, elsewhere }),
            false => Err(in_another(&path, &line.dir, &dir)),
        };
    }
    if !writable {
        return Ok(Claimed {
            noted: false,
            elsewhere,
        });
    }
    let mut line = serde_json::to_vec(&Line { domain, dir }).map_err(|error| fail(&error.into()))?;
    line.push(b'\n');
    let mut write = || {
        file.write_all(&line)?;
        file.sync_all()?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    write().map_err(|error| fail(&error))?;
    Ok(Claimed { noted: true, elsewhere })
}

fn closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}

fn read(file: &mut File, path: &Path) -> Result<Vec<Line>, Failure> {
    let mut text = String::new();
    file.rewind().map_err(|error| Failure::file(path, &error))?;
    let taken = file.take(MAX_BYTES + 1).read_to_string(&mut text);
    taken.map_err(|error| Failure::file(path, &error))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(Failure::usage(format!(
            "{}: longer than {MAX_BYTES} bytes",
            path.display()
        )));
    }
    let lines = text.lines().zip(1..).map(|(line, number)| {
        serde_json::from_str(line).map_err(|_| {
            Failure::usage(format!("{}, line {number}: not a run", path.display())).hint(
                "it says in which directory the key signs for which run; remove that line alone if it was cut short",
            )
        })
    });
    lines.collect()
}

fn in_another(path: &Path, there: &Path, here: &Path) -> Failure {
    let what = format!(
        "this payout key signs for these contracts in {}, not in {}: in both it could sign two headers of one round, and be slashed",
        there.display(),
        here.display()
    );
    Failure::new(Code::Network, what).hint(format!(
        "go on with --dir {}; if that directory was moved here, write its new path into {}. A new run with an old one's contracts is the \
         coordinator's fault: ask it for a run of its own",
        there.display(),
        path.display()
    ))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_signs_for_one_run_in_one_directory() {
        let folder = tempfile::tempdir().unwrap();
        let key = folder.path().join("payout.key");
        let [one, other] = ["one", "other"].map(|name| {
            let dir = folder.path().join(name);
            std::fs::create_dir(&dir).unwrap();
            dir
        });
        let domain = |contract| Domain {
            chain_id: 1,
            contract: [contract; 20],
            federation: [1; 32],
        };
        for _ in 0..2 {
            assert!(claim(&key, &one, &domain(1)).unwrap().noted);
        }
        assert!(
            claim(&key, &folder.path().join("other/../one"), &domain(1))
                .unwrap()
                .noted
        );
        let runs = folder.path().join("payout.key.runs");
        assert_eq!(runs.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&runs).unwrap().lines().count(), 1);

        // The same contracts in another directory are refused, others aren't.
        let refused = claim(&key, &other, &domain(1)).unwrap_err();
        let hint = refused.hint.clone().unwrap_or_default();
        assert!(
            refused.message.contains("two headers") && hint.contains("payout.key.runs"),
            "{}",
            refused.message
        );
        let second = claim(&key, &other, &domain(2)).unwrap();
        let elsewhere = vec![one.canonicalize().unwrap()];
        assert_eq!(second, Claimed { noted: true, elsewhere });
        assert!(
            claim(&folder.path().join("second.key"), &other, &domain(1))
                .unwrap()
                .noted
        );

        // Moved, and so written; a line that was cut short is told.
        let text = std::fs::read_to_string(&runs).unwrap().replace("/one\"", "/other\"");
        std::fs::write(&runs, &text).unwrap();
        assert!(claim(&key, &other, &domain(1)).unwrap().noted);
        std::fs::write(&runs, &text[..text.len() - 5]).unwrap();
        let cut = claim(&key, &one, &domain(3)).unwrap_err();
        assert!(cut.message.contains("line 2"), "{}", cut.message);
    }
}
