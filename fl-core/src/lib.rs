//! fl-core
