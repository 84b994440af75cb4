use super::*;
use proptest::prelude::*;
use safetensors::tensor::TensorView;

fn tensors() -> Vec<TensorShape> {
    let tensor = |name: &str, shape: &[usize]| TensorShape {
        name: name.into(),
        shape: shape.to_vec(),
    };
    vec![tensor("output.weight", &[2, 3]), tensor("output.bias", &[2])]
}

fn parameters() -> Vec<f32> {
    (0..8).map(|i| i as f32 * 0.5 - 1.0).collect()
}

fn origin() -> Origin {
    Origin {
        federation: "hospitals".into(),
        round: 3,
    }
}

fn file() -> Vec<u8> {
    encode(&tensors(), &parameters(), &origin()).unwrap()
}

/// A file of these tensors of F32, written by the reference implementation.
fn foreign(tensors: &[(&str, &[usize])], metadata: &[(&str, &str)]) -> Vec<u8> {
    let bytes = vec![0u8; 4096];
    let views = tensors.iter().map(|(name, shape)| {
        let size = shape.iter().product::<usize>() * 4;
        (
            *name,
            TensorView::new(Dtype::F32, shape.to_vec(), &bytes[..size]).unwrap(),
        )
    });
    let metadata = metadata
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    safetensors::serialize(views, Some(metadata)).unwrap()
}

const GOOD: [(&str, &[usize]); 2] = [("output.weight", &[2, 3]), ("output.bias", &[2])];

#[test]
fn what_is_written_is_read() {
    assert_eq!(
        decode(&tensors(), &file()).unwrap(),
        Checkpoint {
            parameters: parameters(),
            origin: Some(origin())
        }
    );
}

#[test]
fn the_bytes_are_pinned() {
    assert_eq!(
        blake3::hash(&file()).to_hex().as_str(),
        "3e46b43218d3c32349f8649989f67b1acbfe64a39cae4da2d6556adae6cd0506"
    );
}

#[test]
fn the_reference_implementation_reads_our_files() {
    let bytes = file();
    let read = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(read.tensor("output.weight").unwrap().shape(), [2, 3]);
    assert_eq!(
        read.tensor("output.bias").unwrap().data(),
        [2.0f32.to_le_bytes(), 2.5f32.to_le_bytes()].concat()
    );
}

#[test]
fn files_from_elsewhere_have_no_origin() {
    let read = decode(&tensors(), &foreign(&GOOD, &[("format", "pt")])).unwrap();
    assert_eq!(
        read,
        Checkpoint {
            parameters: vec![0.0; 8],
            origin: None
        }
    );
}

#[test]
fn another_models_file_is_refused_by_name_and_shape() {
    let read = |tensors_there: &[(&str, &[usize])]| decode(&tensors(), &foreign(tensors_there, &[])).unwrap_err();
    assert_eq!(
        read(&GOOD[..1]),
        CheckpointError::Missing {
            name: "output.bias".into()
        }
    );
    assert_eq!(
        read(&[GOOD[0], GOOD[1], ("more", &[1])]),
        CheckpointError::Unexpected { name: "more".into() }
    );
    let shape = CheckpointError::Shape {
        name: "output.weight".into(),
        expected: vec![2, 3],
        got: vec![3, 2],
    };
    assert_eq!(read(&[("output.weight", &[3, 2]), GOOD[1]]), shape);
    let bytes = [0u8; 24];
    let halves = TensorView::new(Dtype::F16, vec![2, 3], &bytes[..12]).unwrap();
    let bias = TensorView::new(Dtype::F32, vec![2], &bytes[..8]).unwrap();
    let file = safetensors::serialize([("output.weight", halves), ("output.bias", bias)], None).unwrap();
    assert!(matches!(decode(&tensors(), &file), Err(CheckpointError::Type { .. })));
}

#[test]
fn metadata_of_another_version_is_refused() {
    let read = |metadata: &[(&str, &str)]| decode(&tensors(), &foreign(&GOOD, metadata)).unwrap_err();
    for (metadata, key) in [
        (
            &[("format", "xfl-model-2"), ("federation", "f"), ("round", "1")][..],
            "format",
        ),
        (&[("format", FORMAT), ("round", "1")], "federation"),
        (&[("format", FORMAT), ("federation", "f"), ("round", "-1")], "round"),
        (&[("format", FORMAT), ("federation", "f")], "round"),
    ] {
        assert!(matches!(read(metadata), CheckpointError::Metadata { key: got, .. } if got == key));
    }
}

#[test]
fn only_finite_numbers_go_in_and_come_out() {
    let mut bad = parameters();
    bad[7] = f32::NAN;
    let error = encode(&tensors(), &bad, &origin()).unwrap_err();
    assert!(matches!(error, CheckpointError::NotFinite { index: 1, .. }));
    let mut bytes = file();
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::INFINITY.to_le_bytes());
    assert!(matches!(
        decode(&tensors(), &bytes),
        Err(CheckpointError::NotFinite { index: 1, .. })
    ));
}

#[test]
fn sizes_are_bounded() {
    let error = encode(&tensors(), &parameters()[1..], &origin()).unwrap_err();
    assert_eq!(error, CheckpointError::Parameters { expected: 8, got: 7 });
    let long = Origin {
        federation: "x".repeat(257),
        round: 0,
    };
    assert_eq!(
        encode(&tensors(), &parameters(), &long),
        Err(CheckpointError::Federation { got: 257 })
    );
    let huge = vec![0; 8 * 4 + 8 + MAX_HEADER + 1];
    assert!(matches!(
        decode(&tensors(), &huge),
        Err(CheckpointError::TooLarge { .. })
    ));
}

/// Tensors that claim to end near 2^64 bytes made the parser add past the end of its integers, and the program panic.
#[test]
fn ends_near_the_largest_integer_are_refused() {
    let step = 1u64 << 61;
    let mut header = BTreeMap::new();
    for i in 0..8u64 {
        let end = if i == 7 { u64::MAX - 7 } else { (i + 1) * step };
        let entry = json!({ "dtype": "U8", "shape": [end - i * step], "data_offsets": [i * step, end] });
        header.insert(format!("t{i}"), entry);
    }
    let text = serde_json::to_vec(&header).unwrap();
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    assert!(matches!(
        decode(&tensors(), &bytes),
        Err(CheckpointError::NotSafetensors(_))
    ));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decode(&tensors(), &bytes).is_err());
    }

    #[test]
    fn a_flipped_byte_is_an_error_or_another_model(at in 0usize..1000, mask in 1u8..) {
        let mut bytes = file();
        let at = at % bytes.len();
        bytes[at] ^= mask;
        if let Ok(read) = decode(&tensors(), &bytes) {
            prop_assert!(read.parameters.iter().all(|x| x.is_finite()));
        }
    }
}
