//! The shell: sockets, disk, clock and entropy (feature `node`).
//!
//! Everything here performs what the state machines elsewhere in this crate decide. From the outside in: [`keyfile`] keeps
//! the node key on disk; [`tls`] turns it into the TLS identity of both sides; [`endpoint`] opens the UDP socket;
//! [`carried`] keeps the noise of mode dp-ftrl; [`frame`] cuts a stream into messages; [`peer`] is the message-oriented
//! connection that the coordinator's and the institution's shells use.

pub mod budget;
pub mod bundle;
pub mod carried;
pub mod coordinator;
pub mod endpoint;
pub mod entropy;
pub mod frame;
pub mod institution;
pub mod journal;
pub mod keyfile;
pub mod peer;
pub mod protect;
pub mod refused;
mod reset;
pub mod settle;
pub mod tls;

use std::{io, os::unix::fs::PermissionsExt, path::Path};

/// Makes a file readable by its owner alone.
pub(crate) fn private(path: &Path) -> io::Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
}

/// Makes a folder, if need be, that its owner alone can enter.
pub(crate) fn private_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700))
}
