//! A whole run as one file for an auditor: transcript, chain, held-out data.
//!
//! **Claim.** What [`Bundle::decode`] gives is what [`Bundle::encode`] was given: a byte changed, cut off or added anywhere
//! is an error that names the section it is in. Whether the contents are true is [`crate::audit`]'s part and the chain
//! snapshot's own.
//!
//! **Layout.** 16 bytes of magic with the version; for each of the four sections a byte (1 if it is there), its length
//! (u64 LE) and the BLAKE3 hash of its name and content; the BLAKE3 hash of all that; the contents, one after the other.
//!
//! **Not here.** Secrecy and signatures: held-out data are in it in clear, and the signatures that count are inside the
//! transcript.

use std::fmt;

const MAGIC: &[u8; 16] = b"xfl audit file 1";
const ENTRY: usize = 1 + 8 + 32;
const HEADER: usize = MAGIC.len() + Section::ALL.len() * ENTRY + 32;

/// A run as an auditor needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bundle {
    /// The transcript's bytes.
    pub transcript: Vec<u8>,
    /// The embedded chain's snapshot ([`xfl_settlement::chain::snapshot`]), where the run settled on one.
    pub chain: Option<Vec<u8>>,
    /// The salt of the held-out commitment.
    pub salt: Option<[u8; 32]>,
    /// The held-out data's file.
    pub held_out: Option<Vec<u8>>,
}

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Magic, lengths and hashes.
    Header,
    /// The transcript.
    Transcript,
    /// The chain's snapshot.
    Chain,
    /// The held-out commitment's salt.
    Salt,
    /// The held-out data.
    HeldOut,
}

/// Why bytes are no bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Another kind of file, or of a later version.
    #[error("header: not an audit file of version 1")]
    NotABundle,
    /// The section's hash differs from what the header says, or the header's own hash is wrong.
    #[error("{0}: changed since it was written")]
    Changed(Section),
    /// The bytes end inside it.
    #[error("{0}: the file ends inside it")]
    Torn(Section),
    /// More bytes than the header speaks of.
    #[error("{0} bytes after the last section")]
    Trailing(usize),
    /// A section that is always there isn't, or has a size that it can't have.
    #[error("{0}: missing or of the wrong size")]
    Malformed(Section),
}

impl Section {
    /// Those with content, in the file's order.
    const ALL: [Self; 4] = [Self::Transcript, Self::Chain, Self::Salt, Self::HeldOut];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Transcript => "transcript",
            Self::Chain => "chain snapshot",
            Self::Salt => "held-out salt",
            Self::HeldOut => "held-out data",
        }
    }

    fn hash(self, content: &[u8]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("xfl audit file v1");
        hasher.update(&(self.name().len() as u64).to_le_bytes());
        hasher.update(self.name().as_bytes());
        hasher.update(content);
        *hasher.finalize().as_bytes()
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Bundle {
    /// Whether bytes begin as a bundle does, so that a bundle can be told from a transcript.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let salt = self.salt.map(|salt| salt.to_vec());
        let contents = [
            Some(&self.transcript),
            self.chain.as_ref(),
            salt.as_ref(),
            self.held_out.as_ref(),
        ];
        let mut bytes = MAGIC.to_vec();
        for (section, content) in Section::ALL.into_iter().zip(contents) {
            let slice = content.map_or(&[][..], Vec::as_slice);
            bytes.push(u8::from(content.is_some()));
            bytes.extend((slice.len() as u64).to_le_bytes());
            bytes.extend(section.hash(slice));
        }
        bytes.extend(Section::Header.hash(&bytes));
        contents.into_iter().flatten().for_each(|content| bytes.extend(content));
        bytes
    }

    /// Reads a file's bytes.
    ///
    /// # Errors
    /// [`BundleError`], naming the section.
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        if !Self::is_one(bytes) {
            return Err(BundleError::NotABundle);
        }
        let (header, mut rest) = bytes
            .split_at_checked(HEADER)
            .ok_or(BundleError::Torn(Section::Header))?;
        let (signed, hash) = header
            .split_last_chunk::<32>()
            .ok_or(BundleError::Torn(Section::Header))?;
        if Section::Header.hash(signed) != *hash {
            return Err(BundleError::Changed(Section::Header));
        }
        let mut contents = [const { None }; Section::ALL.len()];
        let entries = signed[MAGIC.len()..].chunks_exact(ENTRY);
        for ((section, entry), content) in Section::ALL.into_iter().zip(entries).zip(&mut contents) {
            let (there, len, hash) = parts(entry).ok_or(BundleError::Malformed(section))?;
            let len = usize::try_from(len).map_err(|_| BundleError::Torn(section))?;
            let (own, after) = rest.split_at_checked(len).ok_or(BundleError::Torn(section))?;
            if section.hash(own) != hash {
                return Err(BundleError::Changed(section));
            }
            if !there && len > 0 {
                return Err(BundleError::Malformed(section));
            }
            rest = after;
            *content = there.then(|| own.to_vec());
        }
        if !rest.is_empty() {
            return Err(BundleError::Trailing(rest.len()));
        }
        let [transcript, chain, salt, held_out] = contents;
        let salt = salt
            .map(TryInto::try_into)
            .transpose()
            .map_err(|_| BundleError::Malformed(Section::Salt))?;
        let transcript = transcript.ok_or(BundleError::Malformed(Section::Transcript))?;
        Ok(Self {
            transcript,
            chain,
            salt,
            held_out,
        })
    }
}

fn parts(entry: &[u8]) -> Option<(bool, u64, [u8; 32])> {
    let (&there, rest) = entry.split_first()?;
    let (len, hash) = rest.split_first_chunk::<8>()?;
    Some((there == 1, u64::from_le_bytes(*len), hash.try_into().ok()?)).filter(|_| there < 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(any::<u8>(), 0..200)
    }

    fn bundle() -> impl Strategy<Value = Bundle> {
        let optional = || proptest::option::of(some_bytes());
        (some_bytes(), optional(), any::<Option<[u8; 32]>>(), optional()).prop_map(
            |(transcript, chain, salt, held_out)| Bundle {
                transcript,
                chain,
                salt,
                held_out,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(bundle in bundle()) {
            prop_assert_eq!(Bundle::decode(&bundle.encode()), Ok(bundle));
        }

        #[test]
        fn a_flipped_byte_is_an_error_that_names_its_section(bundle in bundle(), at in any::<prop::sample::Index>(), by in 1u8..) {
            let mut bytes = bundle.encode();
            let at = at.index(bytes.len());
            bytes[at] ^= by;
            let sizes = [
                (Section::Transcript, bundle.transcript.len()),
                (Section::Chain, bundle.chain.map_or(0, |c| c.len())),
                (Section::Salt, bundle.salt.map_or(0, |s| s.len())),
                (Section::HeldOut, bundle.held_out.map_or(0, |h| h.len())),
            ];
            let mut end = HEADER;
            let section = sizes.into_iter().find(|(_, len)| { end += len; at >= HEADER && at < end }).map(|(s, _)| s);
            let expected = match section {
                Some(section) => BundleError::Changed(section),
                None if at < MAGIC.len() => BundleError::NotABundle,
                None => BundleError::Changed(Section::Header),
            };
            prop_assert_eq!(Bundle::decode(&bytes), Err(expected));
        }

        #[test]
        fn what_is_cut_or_added_is_noticed(bundle in bundle(), cut in 1usize..300, more in 1usize..9) {
            let bytes = bundle.encode();
            prop_assert!(Bundle::decode(&bytes[..bytes.len().saturating_sub(cut)]).is_err());
            let longer = [bytes, vec![0; more]].concat();
            prop_assert_eq!(Bundle::decode(&longer), Err(BundleError::Trailing(more)));
        }

        #[test]
        fn nonsense_is_refused_without_a_panic(bytes in some_bytes(), tail in some_bytes()) {
            prop_assert!(Bundle::decode(&bytes).is_err());
            prop_assert!(Bundle::decode(&[MAGIC.as_slice(), &bytes, &tail].concat()).is_err());
        }
    }
}
