//! Where training runs: `--device cpu | cuda[:N]`.
//!
//! The CUDA backend loads NVIDIA's driver and compiler at run time and panics where they are missing, in the middle of
//! training. [`Device::check`] looks for everything it will need first, on the file system alone (this crate has no
//! `unsafe`, so it can't load a library to try), and says what to install:
//! the driver (`libcuda.so.1`), a device node, the run-time compiler (`libnvrtc.so`), the toolkit's headers, and that
//! there are more than N GPUs. Libraries are looked for where the loader looks: `LD_LIBRARY_PATH`, the loader's cache, the usual folders.
//!
//! What it does not do: prove that a driver works, or choose a GPU by itself.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A processor to train on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The CPU, one thread, deterministic.
    #[default]
    Cpu,
    /// The NVIDIA GPU of this number, from 0.
    Cuda(usize),
}

/// Why a device can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("expected cpu, cuda or cuda:N, got {got:?}")]
    Unknown {
        /// The text, cut off.
        got: String,
    },
    /// This program has no CUDA code in it.
    #[error(
        "cuda:{index} needs a program built for it; build with `cargo build --release --features cuda`, or use --device cpu"
    )]
    NotBuilt {
        /// The GPU asked for.
        index: usize,
    },
    /// The driver's library is missing.
    #[error(
        "cuda:{index} needs NVIDIA's driver, but {library} is not in LD_LIBRARY_PATH, the loader's cache or the usual \
         folders; install the driver (or start the container with its GPUs), or use --device cpu"
    )]
    NoDriver {
        /// The GPU asked for.
        index: usize,
        /// The file looked for.
        library: &'static str,
    },
    /// The driver is installed, but this machine or container shows no GPU.
    #[error("cuda:{index} needs a GPU, but there is no {node}; load the driver's kernel module, or use --device cpu")]
    NoGpu {
        /// The GPU asked for.
        index: usize,
        /// The device node looked for.
        node: &'static str,
    },
    /// A GPU of this number isn't there.
    #[error("cuda:{index} does not exist, this machine has {found} GPUs (from cuda:0)")]
    NoSuchGpu {
        /// The GPU asked for.
        index: usize,
        /// How many there are.
        found: usize,
    },
    /// The CUDA toolkit, which compiles the kernels, is missing.
    #[error(
        "cuda:{index} compiles its kernels when training starts, but {missing} was not found; install the CUDA toolkit \
         and set CUDA_PATH to it, or use --device cpu"
    )]
    NoToolkit {
        /// The GPU asked for.
        index: usize,
        /// The part looked for.
        missing: &'static str,
    },
}

impl FromStr for Device {
    type Err = DeviceError;

    fn from_str(text: &str) -> Result<Self, DeviceError> {
        Self::parse(text)
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl Device {
    /// Reads `cpu`, `cuda` (the first GPU) or `cuda:N`.
    ///
    /// # Errors
    /// Where the text is anything else.
    pub fn parse(text: &str) -> Result<Self, DeviceError> {
        let unknown = || DeviceError::Unknown {
            got: text.chars().take(40).collect(),
        };
        match text.split_once(':') {
            None if text == "cpu" => Ok(Self::Cpu),
            None if text == "cuda" => Ok(Self::Cuda(0)),
            Some(("cuda", index)) if !index.is_empty() && index.bytes().all(|b| b.is_ascii_digit()) => {
                index.parse().map(Self::Cuda).map_err(|_| unknown())
            }
            _ => Err(unknown()),
        }
    }

    /// Whether training can start on this device in this program on this machine.
    ///
    /// # Errors
    /// What is missing and how to get it.
    pub fn check(self) -> Result<(), DeviceError> {
        match self {
            Self::Cpu => Ok(()),
            Self::Cuda(index) if !cfg!(feature = "cuda") => Err(DeviceError::NotBuilt { index }),
            Self::Cuda(index) => Machine::here().check(index),
        }
    }
}

/// What of a machine decides whether CUDA can start.
struct Machine {
    /// `/`, but for tests.
    root: PathBuf,
    library_path: Option<OsString>,
    toolkit: Option<PathBuf>,
}

const FOLDERS: [&str; 13] = [
    "lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
    "usr/local/nvidia/lib64",
    "usr/local/cuda/lib64",
    "usr/local/cuda/compat",
    "opt/cuda/lib64",
    "usr/lib/wsl/lib",
];

impl Machine {
    fn here() -> Self {
        Self {
            root: "/".into(),
            library_path: std::env::var_os("LD_LIBRARY_PATH"),
            toolkit: std::env::var_os("CUDA_PATH").map(PathBuf::from),
        }
    }

    fn check(&self, index: usize) -> Result<(), DeviceError> {
        if !cfg!(target_os = "linux") {
            // Elsewhere the file names differ; the backend's own message has to do.
            return Ok(());
        }
        let library = "libcuda.so.1";
        if !self.has_library(library) {
            return Err(DeviceError::NoDriver { index, library });
        }
        let node = "/dev/nvidiactl";
        let windows_subsystem = self.root.join("dev/dxg").exists();
        if !windows_subsystem {
            if !self.root.join("dev/nvidiactl").exists() {
                return Err(DeviceError::NoGpu { index, node });
            }
            let found = self.gpus();
            if index >= found {
                return Err(DeviceError::NoSuchGpu { index, found });
            }
        }
        if !self.has_library("libnvrtc.so") {
            return Err(DeviceError::NoToolkit {
                index,
                missing: "libnvrtc.so",
            });
        }
        let usual = ["usr/local/cuda", "opt/cuda", "usr/bin/nvcc"];
        match &self.toolkit {
            Some(path) if path.join("include").is_dir() => Ok(()),
            None if usual.iter().any(|path| self.root.join(path).exists()) => Ok(()),
            _ => Err(DeviceError::NoToolkit {
                index,
                missing: "the toolkit's include folder",
            }),
        }
    }

    /// GPUs by their device nodes, `/dev/nvidia0` and so on.
    fn gpus(&self) -> usize {
        let Ok(nodes) = std::fs::read_dir(self.root.join("dev")) else {
            return 0;
        };
        nodes
            .flatten()
            .filter_map(|node| node.file_name().into_string().ok())
            .filter_map(|name| name.strip_prefix("nvidia").map(str::to_owned))
            .filter(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
            .count()
    }

    /// Whether the loader would find a library of this name, or of this name with a version after it.
    fn has_library(&self, name: &str) -> bool {
        let paths = self
            .library_path
            .as_deref()
            .map(std::env::split_paths)
            .into_iter()
            .flatten();
        let toolkit = self.toolkit.iter().map(|path| path.join("lib64"));
        let usual = FOLDERS.iter().map(|folder| self.root.join(folder));
        paths.chain(toolkit).chain(usual).any(|folder| holds(&folder, name)) || self.cache_names(name)
    }

    fn cache_names(&self, name: &str) -> bool {
        // The cache is a table of NUL-terminated names and paths.
        let Ok(cache) = std::fs::read(self.root.join("etc/ld.so.cache")) else {
            return false;
        };
        cache.windows(name.len()).any(|window| window == name.as_bytes())
    }
}

fn holds(folder: &Path, name: &str) -> bool {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return false;
    };
    entries.flatten().any(|entry| {
        // A dangling link doesn't count.
        entry.file_name().to_str().is_some_and(|file| {
            file.strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
                && entry.path().exists()
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn names_are_read_and_printed() {
        for (text, device) in [
            ("cpu", Device::Cpu),
            ("cuda", Device::Cuda(0)),
            ("cuda:3", Device::Cuda(3)),
        ] {
            assert_eq!(Device::parse(text), Ok(device));
            assert_eq!(Device::parse(&device.to_string()), Ok(device));
        }
        for text in [
            "",
            "gpu",
            "CPU",
            "cpu:0",
            "cuda:",
            "cuda:-1",
            "cuda:+1",
            "cuda:1x",
            "cuda:99999999999999999999",
        ] {
            assert_eq!(Device::parse(text), Err(DeviceError::Unknown { got: text.into() }));
        }
    }

    #[test]
    fn the_cpu_is_always_there() {
        assert_eq!(Device::Cpu.check(), Ok(()));
    }

    #[test]
    #[cfg(not(feature = "cuda"))]
    fn a_program_without_cuda_says_how_to_build_one() {
        let error = Device::Cuda(0).check().unwrap_err();
        assert!(error.to_string().contains("--features cuda"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn each_missing_part_has_its_own_error() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let machine = Machine {
            root: root.into(),
            library_path: None,
            toolkit: None,
        };
        let touch = |path: &str| {
            fs::create_dir_all(root.join(path).parent().unwrap()).unwrap();
            fs::write(root.join(path), b"x").unwrap();
        };
        let library = "libcuda.so.1";
        assert_eq!(machine.check(0), Err(DeviceError::NoDriver { index: 0, library }));
        // A longer name is another library.
        touch("usr/lib/libcuda.so.1x");
        assert_eq!(machine.check(0), Err(DeviceError::NoDriver { index: 0, library }));
        touch("usr/lib/libcuda.so.1");
        assert_eq!(
            machine.check(0),
            Err(DeviceError::NoGpu {
                index: 0,
                node: "/dev/nvidiactl"
            })
        );
        touch("dev/nvidiactl");
        touch("dev/nvidia-uvm");
        assert_eq!(machine.check(0), Err(DeviceError::NoSuchGpu { index: 0, found: 0 }));
        touch("dev/nvidia0");
        assert_eq!(machine.check(1), Err(DeviceError::NoSuchGpu { index: 1, found: 1 }));
        assert_eq!(
            machine.check(0),
            Err(DeviceError::NoToolkit {
                index: 0,
                missing: "libnvrtc.so"
            })
        );
        touch("usr/local/cuda/lib64/libnvrtc.so.12");
        assert_eq!(machine.check(0), Ok(()));
        let elsewhere = Machine {
            toolkit: Some(root.join("nowhere")),
            ..machine
        };
        assert!(matches!(elsewhere.check(0), Err(DeviceError::NoToolkit { .. })));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_loaders_cache_counts() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("etc")).unwrap();
        fs::write(
            folder.path().join("etc/ld.so.cache"),
            b"\0\x01libcuda.so.1\0/far/libcuda.so.1\0",
        )
        .unwrap();
        let machine = Machine {
            root: folder.path().into(),
            library_path: None,
            toolkit: None,
        };
        assert!(machine.has_library("libcuda.so.1"));
        assert!(!machine.has_library("libnvrtc.so"));
    }
}
