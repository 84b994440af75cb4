//! Rewards as a file: what everybody has earned after a round, so that an earner claims without the transcript.
//!
//! It holds nothing that the chain doesn't vouch for (the header's reward root is over all of it) and no secrets: it can be copied and served freely.

use std::{
    io,
    path::{Path, PathBuf},
};

use xfl_settlement::stored;

use crate::round::Rounds;

/// Writes `rewards-ROUND.xfl` for the last finished round, in one step, whatever is there: one that was damaged is repaired. Where it is, or none before the
/// first round.
///
/// # Errors
/// Those of the file.
pub fn write_rewards(dir: &Path, rounds: &Rounds) -> io::Result<Option<PathBuf>> {
    let ledger = rounds.ledger();
    if ledger.round() == 0 {
        return Ok(None);
    }
    let tree = ledger.tree();
    let path = dir.join(format!("rewards-{}.xfl", tree.round()));
    let new = tempfile::NamedTempFile::new_in(dir)?;
    let mut out = io::BufWriter::new(new);
    stored::write(&tree, &ledger.federation(), &mut out)?;
    let new = out.into_inner().map_err(io::IntoInnerError::into_error)?;
    // Anybody may read it, unlike what else is in the directory.
    use std::os::unix::fs::PermissionsExt;
    new.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    new.as_file().sync_all()?;
    new.persist(&path)?;
    Ok(Some(path))
}
