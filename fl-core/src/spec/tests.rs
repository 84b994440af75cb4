use super::*;

fn schema(text: &str) -> Schema {
    toml::from_str(text).unwrap()
}

fn tabular(features: usize, classes: &str) -> Schema {
    schema(&format!(
        "task = \"classification\"\nlabel = \"y\"\nclasses = {classes}\ncolumns = [{{ prefix = \"x\", count = {features} }}]"
    ))
}

fn digits() -> Schema {
    let mut schema = tabular(
        64,
        "[\"0\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]",
    );
    schema.image = Some(crate::schema::ImageShape {
        height: 8,
        width: 8,
        channels: 1,
    });
    schema.validate().unwrap();
    schema
}

fn spec(text: &str) -> Result<ModelSpec, String> {
    toml::from_str(text).map_err(|e| e.to_string())
}

#[test]
fn parameters_are_counted() {
    let binary = tabular(30, "[\"a\", \"b\"]");
    let three = tabular(4, "[\"a\", \"b\", \"c\"]");
    assert_eq!(ModelSpec::Logistic.dimension(&binary).unwrap(), 31);
    assert_eq!(ModelSpec::Logistic.dimension(&three).unwrap(), 15);
    assert_eq!(
        ModelSpec::mlp(vec![16, 8]).dimension(&binary).unwrap(),
        31 * 16 + 17 * 8 + 9
    );
    let cnn = ModelSpec::cnn(vec![4, 8], vec![]);
    assert_eq!(
        cnn.dimension(&digits()).unwrap(),
        (9 + 1) * 4 + (4 * 9 + 1) * 8 + (8 * 2 * 2 + 1) * 10
    );
}

#[test]
fn tensors_are_named_and_shaped() {
    let cnn = ModelSpec::cnn(vec![4], vec![5]);
    let tensors: Vec<_> = cnn
        .tensors(&digits())
        .unwrap()
        .into_iter()
        .map(|t| (t.name, t.shape))
        .collect();
    let expected: [(&str, &[usize]); 6] = [
        ("conv.0.weight", &[4, 1, 3, 3]),
        ("conv.0.bias", &[4]),
        ("hidden.0.weight", &[5, 64]),
        ("hidden.0.bias", &[5]),
        ("output.weight", &[10, 5]),
        ("output.bias", &[10]),
    ];
    assert_eq!(tensors, expected.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
}

#[test]
fn survives_named_and_unnamed_formats() {
    for text in [
        "kind = \"linear\"",
        "kind = \"mlp\"\nhidden = [3]",
        "kind = \"cnn\"\nchannels = [2]\nhidden = [3]",
        "kind = \"cnn\"\nchannels = [4]\nnorm = \"group\"\ngroups = 2",
        "kind = \"mlp\"\nhidden = [3]\nnorm = \"layer\"\nembedding = 4",
    ] {
        let model = spec(text).unwrap();
        assert_eq!(spec(&toml::to_string(&model).unwrap()).unwrap(), model);
        assert_eq!(
            postcard::from_bytes::<ModelSpec>(&postcard::to_stdvec(&model).unwrap()).unwrap(),
            model
        );
    }
}

#[test]
fn mistakes_name_the_key_and_what_to_write() {
    for (text, said) in [
        ("kind = \"forest\"", "unknown variant"),
        ("kind = \"mlp\"", "hidden: missing"),
        ("kind = \"mlp\"\nhidden = []", "write hidden = [16]"),
        ("kind = \"mlp\"\nhidden = [0]", "from 1 to 65536, got 0"),
        ("kind = \"mlp\"\nhidden = [1]\nchannels = [1]", "channels: only for"),
        ("kind = \"cnn\"", "channels: missing"),
        ("kind = \"cnn\"\nchannels = []", "at least one convolution"),
        ("kind = \"logistic\"\nhidden = [1]", "hidden: only for"),
        ("kind = \"logistic\"\nlayers = 1", "unknown field"),
        ("kind = \"logistic\"\nnorm = \"layer\"", "norm: only for"),
        (
            "kind = \"mlp\"\nhidden = [4]\nnorm = \"batch\"",
            "write norm = \"layer\" or \"group\"",
        ),
        (
            "kind = \"mlp\"\nhidden = [4]\nnorm = \"group\"",
            "groups: missing; write groups = 4",
        ),
        (
            "kind = \"mlp\"\nhidden = [4]\nnorm = \"group\"\ngroups = 0",
            "from 1 to 65536, got 0",
        ),
        ("kind = \"mlp\"\nhidden = [4]\ngroups = 2", "groups: only for"),
        ("kind = \"cnn\"\nchannels = [4]\nembedding = 2", "embedding: only for"),
        ("kind = \"mlp\"\nhidden = [4]\nembedding = 0", "from 1 to 65536, got 0"),
    ] {
        let error = spec(text).unwrap_err();
        assert!(error.contains(said), "{text}: {error}");
    }
}

#[test]
fn a_model_must_fit_its_schema() {
    let binary = tabular(30, "[\"a\", \"b\"]");
    let regression = schema("task = \"regression\"\nlabel = \"y\"\ncolumns = [{ name = \"x\" }]");
    let cnn = ModelSpec::cnn(vec![1; 4], vec![]);
    assert!(matches!(
        ModelSpec::Linear.tensors(&binary),
        Err(ModelError::Task {
            instead: "\"logistic\"",
            ..
        })
    ));
    assert!(matches!(
        ModelSpec::Logistic.tensors(&regression),
        Err(ModelError::Task {
            instead: "\"linear\"",
            ..
        })
    ));
    assert_eq!(cnn.tensors(&binary), Err(ModelError::NoImage));
    assert!(matches!(
        cnn.tensors(&digits()),
        Err(ModelError::ImageTooSmall {
            possible: 3,
            got: 4,
            ..
        })
    ));
    let huge = ModelSpec::mlp(vec![MAX_WIDTH; 3]);
    assert!(matches!(huge.tensors(&binary), Err(ModelError::TooLarge { .. })));
    let empty = Schema {
        columns: Vec::new(),
        ..binary
    };
    assert_eq!(
        ModelSpec::Logistic.tensors(&empty),
        Err(ModelError::Schema(crate::schema::SchemaError::NoColumns))
    );
}

#[test]
fn norms_and_embeddings_are_named_and_shaped() {
    let with_tokens = schema(
        "task = \"regression\"\nlabel = \"y\"\ncolumns = [{ name = \"a\" }, { prefix = \"t\", count = 3, tokens = 50 }, \
         { name = \"b\", tokens = 7 }]",
    );
    let model = spec("kind = \"mlp\"\nhidden = [6]\nnorm = \"group\"\ngroups = 2\nembedding = 4").unwrap();
    let tensors: Vec<_> = model
        .tensors(&with_tokens)
        .unwrap()
        .into_iter()
        .map(|t| (t.name, t.shape))
        .collect();
    let expected: [(&str, &[usize]); 8] = [
        ("embedding.0.weight", &[50, 4]),
        ("embedding.1.weight", &[7, 4]),
        ("hidden.0.weight", &[6, 1 + 3 * 4 + 4]),
        ("hidden.0.bias", &[6]),
        ("norm.0.weight", &[6]),
        ("norm.0.bias", &[6]),
        ("output.weight", &[1, 6]),
        ("output.bias", &[1]),
    ];
    assert_eq!(tensors, expected.map(|(name, shape)| (name.to_owned(), shape.to_vec())));
    for layer in model.layers(&with_tokens).unwrap() {
        assert_eq!(layer.arity(), layer.tensors().len());
    }
    let normed = ModelSpec::Cnn {
        channels: vec![4],
        hidden: vec![],
        norm: Some(Norm::Layer),
    };
    let names: Vec<_> = normed.tensors(&digits()).unwrap().into_iter().map(|t| t.name).collect();
    assert!(names.contains(&"norm.0.weight".to_owned()));
}

#[test]
fn norms_and_tokens_must_fit() {
    let plain = tabular(5, "[\"a\", \"b\"]");
    let with_tokens = schema("task = \"regression\"\nlabel = \"y\"\ncolumns = [{ name = \"t\", tokens = 50 }]");
    let grouped = |hidden, groups| ModelSpec::Mlp {
        hidden,
        norm: Some(Norm::Group(groups)),
        embedding: None,
    };
    assert_eq!(
        grouped(vec![6], 4).tensors(&plain),
        Err(ModelError::Groups { width: 6, groups: 4 })
    );
    for (model, schema, said) in [
        (grouped(vec![6], 6), &plain, "a group of a single number"),
        (
            ModelSpec::Linear,
            &with_tokens,
            "can't read the columns of tokens; write kind = \"mlp\" with embedding = 8",
        ),
        (ModelSpec::mlp(vec![3]), &with_tokens, "with embedding = 8"),
        (
            spec("kind = \"mlp\"\nhidden = [3]\nembedding = 2").unwrap(),
            &plain,
            "no columns of tokens; remove it",
        ),
    ] {
        let error = model.tensors(schema).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}
