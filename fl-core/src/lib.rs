//! fl-core
pub mod identity;
#[cfg(feature = "node")]
pub mod node;
