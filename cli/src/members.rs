//! `members.toml`: who may take part. Edited by `xfl member`, read by `xfl round`; comments survive.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize;
use xfl_core::{identity::NodeId, transcript::Member};

use crate::{failure::Failure, files};

/// Longest name of a member, in characters.
const MAX_NAME: usize = 64;
const MAX_BYTES: u64 = 8 << 20;

/// What `xfl init` writes.
pub(crate) const EMPTY: &str = "\
# Who may take part: one [[member]] each, with a name for people and the node id that `xfl keygen` printed.
# `xfl member add NODE_ID --name NAME` and `xfl member remove NAME` edit this file.
# The list is fixed with the first round: it is signed into the transcript.
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    member: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    node: NodeId,
}

/// Reads and checks the list, in the file's order.
pub(crate) fn read(path: &Path) -> Result<Vec<Member>, Failure> {
    parse(&text(path)?, path)
}

/// The file's text.
pub(crate) fn text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path, MAX_BYTES)
        .map_err(|failure| failure.hint("make one with `xfl init`, or name another with --members"))?;
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{}: not UTF-8 text", path.display())))
}

/// Parses and checks the list.
pub(crate) fn parse(text: &str, path: &Path) -> Result<Vec<Member>, Failure> {
    let name = path.display();
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
        let key = text
            .lines()
            .nth(line - 1)
            .and_then(|l| l.split_once('='))
            .map(|(key, _)| key.trim().to_owned());
        let key = key.map(|key| format!("`member.{key}`: ")).unwrap_or_default();
        Failure::usage(format!("{name}:{line}: {key}{}", error.message().trim()))
            .hint("write [[member]], then name = \"...\" and node = \"64 hex digits\", a line each")
    })?;
    let (mut names, mut nodes) = (BTreeSet::new(), BTreeSet::new());
    for (i, row) in file.member.iter().enumerate() {
        let line = line_of(text, i);
        let wrong = |key: &str, what: String, hint: &str| {
            Err(Failure::usage(format!("{name}:{line}: `member.{key}`: {what}")).hint(hint))
        };
        if let Err(what) = check_name(&row.name) {
            return wrong("name", what, "write a short name");
        }
        if !row.node.is_usable() {
            return wrong(
                "node",
                format!("{} is no usable ed25519 key", row.node),
                "take the id that `xfl keygen` printed",
            );
        }
        if !names.insert(&row.name) {
            return wrong("name", format!("{:?} is there twice", row.name), "names must differ");
        }
        if !nodes.insert(row.node) {
            return wrong("node", format!("{} is there twice", row.node), "one key, one member");
        }
    }
    Ok(file
        .member
        .into_iter()
        .map(|row| Member {
            id: row.node,
            name: row.name,
        })
        .collect())
}

/// Whether a name can be a member's.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(format!("expected a name of 1 to {MAX_NAME} characters, got {name:?}"));
    }
    Ok(())
}

/// The text with one more member.
pub(crate) fn with(text: &str, member: &Member) -> String {
    let gap = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    // A toml basic string escapes what a Rust one does, for names without control characters.
    let name = toml::Value::String(member.name.clone());
    format!("{text}{gap}\n[[member]]\nname = {name}\nnode = \"{}\"\n", member.id)
}

/// The text without its `index`-th member.
pub(crate) fn without(text: &str, index: usize) -> String {
    let mut seen = 0;
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        seen += usize::from(opens(line));
        let own = seen == index + 1 && !line.trim().is_empty() && !line.trim_start().starts_with('#');
        if !own {
            kept.push_str(line);
        }
    }
    kept
}

fn opens(line: &str) -> bool {
    line.trim_start().starts_with("[[member]]")
}

/// Where the `index`-th member begins, from 1.
fn line_of(text: &str, index: usize) -> usize {
    let mut starts = text.lines().enumerate().filter(|(_, line)| opens(line));
    starts.nth(index).map_or(1, |(number, _)| number + 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use xfl_core::identity::NodeKey;

    use super::*;

    fn member(seed: u8, name: &str) -> Member {
        Member {
            id: NodeKey::from_seed(&[seed; 32]).node_id(),
            name: name.into(),
        }
    }

    proptest! {
        /// What was added is read back, and removing it leaves the others and every comment.
        #[test]
        fn adding_and_removing_are_inverse(names in proptest::collection::btree_set("[ -~äß\"\\\\]{1,20}", 1..6), at in 0usize..6) {
            let names: Vec<String> = names.into_iter().filter(|n| check_name(n).is_ok()).collect();
            prop_assume!(!names.is_empty());
            let members: Vec<_> = names.iter().enumerate().map(|(i, n)| member(i as u8 + 1, n)).collect();
            let full = members.iter().fold(EMPTY.to_owned(), |text, m| with(&text, m));
            let path = Path::new("members.toml");
            prop_assert_eq!(&parse(&full, path).unwrap(), &members);
            let at = at % members.len();
            let mut rest = members.clone();
            rest.remove(at);
            let less = without(&full, at);
            prop_assert_eq!(parse(&less, path).unwrap(), rest);
            prop_assert!(less.starts_with(EMPTY));
        }
    }

    #[test]
    fn errors_name_file_line_and_key() {
        let path = Path::new("m.toml");
        let twice = with(&with(EMPTY, &member(1, "a")), &member(2, "a"));
        let error = parse(&twice, path).unwrap_err();
        assert_eq!(error.message, "m.toml:9: `member.name`: \"a\" is there twice");
        let error = parse("[[member]]\nname = \"a\"\nnode = \"12\"\n", path).unwrap_err();
        assert!(
            error
                .message
                .starts_with("m.toml:3: `member.node`: expected 64 hex digits, got 2"),
            "{}",
            error.message
        );
    }
}
