//! Secret keys on disk: written once, readable by their owner alone.
//!
//! A key file is created new (never overwritten, never through a symlink), with mode 0600 from its first moment, and
//! flushed to disk together with its directory entry. Reading refuses a file that others may open, because then the key
//! is no secret any more; and it refuses a symlink, because permissions, owner and backup of the thing it points at are
//! not what the person looking at the path sees. What is checked is the opened file, not the path, so nothing can be
//! exchanged in between.
//!
//! **Does not do.** No passphrase: the file system's protection is the protection. Permission bits are checked on Unix
//! only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::identity::{KeyError, NodeKey};

/// Longest key file accepted, in bytes. A PKCS#8 ed25519 key takes 119.
pub const MAX_LEN: u64 = 4096;

/// Why a secret wasn't written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Something is there already (a symlink counts); keys are never overwritten.
    #[error("{} exists already, and a key is never overwritten", path.display())]
    Exists {
        /// The path.
        path: PathBuf,
    },
    /// Longer than [`MAX_LEN`], so that it couldn't be read back.
    #[error("secret of {got} bytes, at most {max} fit a key file")]
    TooLong {
        /// Bytes allowed.
        max: u64,
        /// Bytes given.
        got: u64,
    },
    /// The key couldn't be encoded.
    #[error("node key can't be encoded: {0}")]
    Encode(#[from] KeyError),
    /// The file system refused.
    #[error("can't write key file {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
}

/// Why a secret wasn't read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Nothing at this path.
    #[error("no key file at {}", path.display())]
    Missing {
        /// The path.
        path: PathBuf,
    },
    /// Group or others may read, write or execute it.
    #[error("key file {} is open to others: expected mode 0600 or stricter, got {mode:04o}", path.display())]
    OpenPermissions {
        /// The path.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The path is a symbolic link.
    #[error("key file {} is a symbolic link to {}", path.display(), target.display())]
    Symlink {
        /// The path.
        path: PathBuf,
        /// What it points at.
        target: PathBuf,
    },
    /// A directory, device, pipe or socket.
    #[error("key file {} is not a regular file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
    },
    /// Another file took the path's place while it was being read.
    #[error("key file {} was exchanged while it was read", path.display())]
    Exchanged {
        /// The path.
        path: PathBuf,
    },
    /// Too big to be a key.
    #[error("key file {} is too long: expected at most {max} bytes", path.display())]
    TooLong {
        /// The path.
        path: PathBuf,
        /// Bytes allowed.
        max: u64,
    },
    /// Its contents aren't a node key; the reason says whether they aren't PEM, or are a key of another algorithm.
    #[error("key file {}: {reason}", path.display())]
    NotAKey {
        /// The path.
        path: PathBuf,
        /// What they are.
        reason: KeyError,
    },
    /// The file system refused.
    #[error("can't read key file {}: {source}", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// Its words.
        source: io::Error,
    },
}

impl ReadError {
    /// What the person at the keyboard can do, where that is known.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing { .. } => "make one with `xfl keygen`, or name another file with --key".to_owned(),
            Self::OpenPermissions { path, .. } => {
                format!(
                    "chmod 600 {}; if others could read it, make a new key instead",
                    path.display()
                )
            }
            Self::Symlink { target, .. } => format!("name the file itself: {}", target.display()),
            Self::NotAKey {
                reason: KeyError::WrongAlgorithm { .. } | KeyError::WrongLabel { .. },
                ..
            } => "a node key is ed25519 in PKCS#8 PEM, as `xfl keygen` writes it".to_owned(),
            _ => return None,
        })
    }
}

/// Writes `secret` to a new file that its owner alone can open, and flushes file and directory.
///
/// # Errors
/// [`WriteError`]; a file that was begun and couldn't be finished is removed.
pub fn write_secret(path: &Path, secret: &[u8]) -> Result<(), WriteError> {
    if secret.len() as u64 > MAX_LEN {
        return Err(WriteError::TooLong {
            max: MAX_LEN,
            got: secret.len() as u64,
        });
    }
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => WriteError::Exists { path: path.to_owned() },
        _ => WriteError::Io {
            path: path.to_owned(),
            source,
        },
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(io_error)?;
    let written = file
        .write_all(secret)
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_directory(path));
    written.map_err(|source| {
        // The half-written file is ours: `create_new` made it. That it can't be removed is less than why it failed.
        let _ = fs::remove_file(path);
        io_error(source)
    })
}

fn sync_directory(path: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

/// Reads a secret of at most [`MAX_LEN`] bytes from a regular file that its owner alone can open.
///
/// # Errors
/// [`ReadError`], all but `NotAKey`.
pub fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, ReadError> {
    let owned = || path.to_owned();
    let io_error = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => ReadError::Missing { path: owned() },
        _ => ReadError::Io { path: owned(), source },
    };
    // Looked at before it is opened, because opening a pipe waits for its other end.
    let named = fs::symlink_metadata(path).map_err(io_error)?;
    if named.is_symlink() {
        let target = fs::read_link(path).map_err(io_error)?;
        return Err(ReadError::Symlink {
            path: owned(),
            target: path.parent().unwrap_or(path).join(target),
        });
    }
    if !named.is_file() {
        return Err(ReadError::NotAFile { path: owned() });
    }
    let file = File::open(path).map_err(io_error)?;
    let opened = file.metadata().map_err(io_error)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if (named.dev(), named.ino()) != (opened.dev(), opened.ino()) {
            return Err(ReadError::Exchanged { path: owned() });
        }
        let mode = opened.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(ReadError::OpenPermissions { path: owned(), mode });
        }
    }
    if opened.len() > MAX_LEN {
        return Err(ReadError::TooLong {
            path: owned(),
            max: MAX_LEN,
        });
    }
    // Room for all of it at once: growing would leave copies of the secret behind.
    let mut secret = Zeroizing::new(Vec::with_capacity(MAX_LEN as usize + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut secret).map_err(io_error)?;
    if secret.len() as u64 > MAX_LEN {
        return Err(ReadError::TooLong {
            path: owned(),
            max: MAX_LEN,
        });
    }
    Ok(secret)
}

/// Writes a node key as PKCS#8 PEM; see [`write_secret`].
///
/// # Errors
/// [`WriteError`].
pub fn write(path: &Path, key: &NodeKey) -> Result<(), WriteError> {
    write_secret(path, key.to_pem()?.as_bytes())
}

/// Reads a node key; see [`read_secret`].
///
/// # Errors
/// [`ReadError`].
pub fn read(path: &Path) -> Result<NodeKey, ReadError> {
    let secret = read_secret(path)?;
    let key = match std::str::from_utf8(&secret) {
        Ok(pem) => NodeKey::from_pem(pem),
        Err(_) => Err(KeyError::NotPem),
    };
    key.map_err(|reason| ReadError::NotAKey {
        path: path.to_owned(),
        reason,
    })
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn put(path: &Path, text: &str, mode: u32) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_written_key_is_private_and_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        let key = NodeKey::from_seed(&[3; 32]);
        write(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read(&path).unwrap().node_id(), key.node_id());
    }

    #[test]
    fn a_key_is_never_overwritten_not_even_through_a_dangling_link() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        let key = NodeKey::from_seed(&[3; 32]);
        write(&path, &key).unwrap();
        assert!(matches!(
            write(&path, &NodeKey::from_seed(&[4; 32])),
            Err(WriteError::Exists { .. })
        ));
        assert_eq!(read(&path).unwrap().node_id(), key.node_id());
        let link = dir.path().join("link");
        symlink(dir.path().join("elsewhere"), &link).unwrap();
        assert!(matches!(write(&link, &key), Err(WriteError::Exists { .. })));
        assert!(!dir.path().join("elsewhere").exists());
    }

    #[test]
    fn open_permissions_are_refused_with_the_command_that_mends_them() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("node.key");
        write(&path, &NodeKey::from_seed(&[3; 32])).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o601, 0o777] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let error = read(&path).unwrap_err();
            assert!(
                matches!(error, ReadError::OpenPermissions { mode: got, .. } if got == mode),
                "{error}"
            );
            assert!(error.to_string().contains(&format!("{mode:04o}")));
            assert!(
                error
                    .hint()
                    .unwrap()
                    .starts_with(&format!("chmod 600 {}", path.display()))
            );
        }
        for mode in [0o600, 0o400] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert!(read(&path).is_ok());
        }
    }

    #[test]
    fn what_is_no_key_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        assert!(matches!(read(&path), Err(ReadError::Missing { .. })));
        assert!(matches!(read(dir.path()), Err(ReadError::NotAFile { .. })));
        put(&path, "hello", 0o600);
        assert!(matches!(
            read(&path),
            Err(ReadError::NotAKey {
                reason: KeyError::NotPem,
                ..
            })
        ));
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(
            read(&path),
            Err(ReadError::NotAKey {
                reason: KeyError::NotPem,
                ..
            })
        ));
        let x25519 = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VuBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
        put(&path, x25519, 0o600);
        let error = read(&path).unwrap_err();
        assert!(matches!(
            &error,
            ReadError::NotAKey {
                reason: KeyError::WrongAlgorithm { .. },
                ..
            }
        ));
        assert!(error.hint().unwrap().contains("ed25519"));
        put(&path, &"x".repeat(MAX_LEN as usize + 1), 0o600);
        assert!(matches!(read(&path), Err(ReadError::TooLong { max: MAX_LEN, .. })));
        assert!(matches!(
            write_secret(&dir.path().join("big"), &[0; 4097]),
            Err(WriteError::TooLong { .. })
        ));
    }

    #[test]
    fn a_link_is_refused_and_its_target_named() {
        let dir = tempfile::tempdir().unwrap();
        write(&dir.path().join("real"), &NodeKey::from_seed(&[3; 32])).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        let error = read(&dir.path().join("link")).unwrap_err();
        assert!(matches!(error, ReadError::Symlink { .. }));
        assert!(
            error
                .hint()
                .unwrap()
                .ends_with(&dir.path().join("real").display().to_string())
        );
    }
}
