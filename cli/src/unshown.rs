//! Values of flags that may hold keys: a wrong one is told without what was given.
//!
//! clap repeats a value that doesn't parse, also where an environment variable holds it; urls of nodes have keys in them. The error of the value's own
//! type says what is wrong, and shows no more of it than is fit to be seen.

use std::{ffi::OsStr, fmt::Display, marker::PhantomData, str::FromStr};

use clap::{Arg, Command, builder::TypedValueParser, error::ErrorKind};

/// Parses by [`FromStr`].
pub(crate) struct Unshown<T>(PhantomData<fn() -> T>);

/// A parser whose errors don't repeat the value.
pub(crate) fn unshown<T>() -> Unshown<T> {
    Unshown(PhantomData)
}

impl<T> Clone for Unshown<T> {
    fn clone(&self) -> Self {
        unshown()
    }
}

impl<T> TypedValueParser for Unshown<T>
where
    T: FromStr<Err: Display> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let wrong = |what: String| {
            let flag = arg.map(ToString::to_string).unwrap_or_default();
            clap::Error::raw(
                ErrorKind::ValueValidation,
                format!("invalid value for '{flag}': {what}\n"),
            )
            .with_cmd(command)
        };
        let text = value.to_str().ok_or_else(|| wrong("not UTF-8 text".into()))?;
        text.parse().map_err(|error: T::Err| wrong(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use xfl_core::node::settle::{ChainChoice, Endpoint};

    use super::*;

    #[test]
    fn a_wrong_url_is_told_without_its_key() {
        let command = || {
            Command::new("xfl")
                .arg(
                    Arg::new("rpc")
                        .long("rpc")
                        .value_delimiter(';')
                        .value_parser(unshown::<Endpoint>()),
                )
                .arg(Arg::new("chain").long("chain").value_parser(unshown::<ChainChoice>()))
        };
        for line in [
            ["xfl", "--rpc", "http://a;ftp://user:SECRET@node/SECRET?SECRET"],
            ["xfl", "--chain", "https://user:SEC?RET@node/SECRET"],
            ["xfl", "--chain", "node\\SECRET"],
        ] {
            let error = command().try_get_matches_from(line).unwrap_err().to_string();
            assert!(
                error.contains(line[1]) && error.contains("not an http or https url"),
                "{error}"
            );
            assert!(!error.contains("SECRET") && !error.contains("SEC?"), "{error}");
        }
        let given = command()
            .try_get_matches_from(["xfl", "--rpc", "7=http://a;http://b"])
            .unwrap();
        assert_eq!(given.get_many::<Endpoint>("rpc").unwrap().count(), 2);
    }
}
