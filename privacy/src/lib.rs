//! privacy
pub mod mask;
