//! Seconds of one training step, plain and with every example's gradient clipped (DP-SGD without its noise), on made-up data.
//!
//! The two take turns, so that whatever else the machine does hits both. A plain step is the mean gradient of a batch; a private
//! one clips every example's gradient, rounds it to the grid, checks its integer norm and sums; both then move the parameters.
//! The fastest of each is told: other processes only ever add. Noise is left out: it costs the same whatever the batch. `compare.py` runs this beside Opacus.

use std::{
    error::Error,
    hint::black_box,
    io::{self, Write},
    process::ExitCode,
    time::Instant,
};

use clap::{Parser, ValueEnum};
use serde_json::json;
use xfl_core::{
    schema::Schema,
    seed::Seed,
    spec::ModelSpec,
    train::{Data, Device, Model, Table, Target},
};
use xfl_privacy::{Mechanism, Noise, RecordSum, RehearsalNoise, Settings, Unit};

/// Times training steps, plain and private
#[derive(Debug, Parser)]
struct Arguments {
    /// Which network
    #[arg(long, env = "XFL_STEP_NET", value_enum, default_value_t = Net::Mlp)]
    net: Net,
    /// Examples in a batch
    #[arg(long, env = "XFL_STEP_BATCH", value_name = "N", default_value_t = 64)]
    batch: usize,
    /// Timed steps of each kind
    #[arg(long, env = "XFL_STEP_STEPS", value_name = "N", default_value_t = 20)]
    steps: usize,
    /// Distance of grid values, as a share of the clip norm
    #[arg(long, env = "XFL_STEP_GRID", value_name = "NUMBER", default_value_t = 0.001)]
    grid: f64,
}

/// Networks that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Net {
    /// Logistic regression on 61 features: 62 parameters
    Logistic,
    /// 784-128-10 with ReLU: 101,770 parameters
    Mlp,
    /// Two 3x3 convolutions with 8 and 16 channels on 28x28 pixels, each with ReLU and 2x2 pooling, then 32 and 10 units: 26,698 parameters
    Cnn,
    /// 32 tokens of 1,000 as vectors of 16, then 64 normalised units: 48,970 parameters
    Tokens,
}

impl Net {
    fn plan(self) -> (&'static str, &'static str) {
        match self {
            Self::Logistic => (
                "kind = \"logistic\"",
                "classes = [\"0\", \"1\"]\ncolumns = [{ prefix = \"x\", count = 61 }]",
            ),
            Self::Mlp => (
                "kind = \"mlp\"\nhidden = [128]",
                "columns = [{ prefix = \"x\", count = 784 }]",
            ),
            Self::Cnn => (
                "kind = \"cnn\"\nchannels = [8, 16]\nhidden = [32]",
                "columns = [{ prefix = \"x\", count = 784 }]\nimage = { height = 28, width = 28, channels = 1 }",
            ),
            Self::Tokens => (
                "kind = \"mlp\"\nhidden = [64]\nnorm = \"layer\"\nembedding = 16",
                "columns = [{ prefix = \"t\", count = 32, tokens = 1000 }]",
            ),
        }
    }

    fn parse(self) -> Result<(ModelSpec, Schema), Box<dyn Error>> {
        let (model, columns) = self.plan();
        let classes = match self {
            Self::Logistic => "",
            _ => "classes = [\"0\", \"1\", \"2\", \"3\", \"4\", \"5\", \"6\", \"7\", \"8\", \"9\"]\n",
        };
        let schema = format!("task = \"classification\"\nlabel = \"y\"\n{classes}{columns}");
        Ok((toml::from_str(model)?, toml::from_str(&schema)?))
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error may be closed; there is nowhere left to say so.
            let _ = writeln!(io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let (spec, schema) = arguments.net.parse()?;
    let model = spec.build(&schema, Device::Cpu)?;
    let seed = Seed::from_number(1);
    let data = made_up(arguments.net, &schema, arguments.batch, &seed)?;
    let mechanism = Mechanism::try_from(Settings {
        unit: Unit::Record,
        clip_norm: 1.0,
        grid_step: arguments.grid,
        batch: Some(u32::try_from(arguments.batch)?),
        dimension: model.dimension() as u64,
        ..Settings::default()
    })?;
    let mut steps = Steps {
        model: &*model,
        data: &data,
        batch: (0..data.len()).collect(),
        mechanism,
        parameters: model.init(&seed),
    };
    let start = steps.parameters.clone();
    let mut plain = Vec::with_capacity(arguments.steps);
    let mut private = Vec::with_capacity(arguments.steps);
    // The first few warm caches up and are not counted.
    for step in 0..arguments.steps + 3 {
        steps.parameters.copy_from_slice(&start);
        let began = Instant::now();
        steps.plain()?;
        let between = Instant::now();
        steps.parameters.copy_from_slice(&start);
        let again = Instant::now();
        steps.private()?;
        if step >= 3 {
            plain.push((between - began).as_secs_f64());
            private.push(again.elapsed().as_secs_f64());
        }
        black_box(&steps.parameters);
    }
    let report = json!({
        "version": 1,
        "parameters": model.dimension(),
        "plain": fastest(&plain),
        "private": fastest(&private),
    });
    Ok(writeln!(io::stdout(), "{report}")?)
}

struct Steps<'a> {
    model: &'a dyn Model,
    data: &'a Table,
    batch: Vec<usize>,
    mechanism: Mechanism,
    parameters: Vec<f32>,
}

const LEARNING_RATE: f32 = 0.01;

impl Steps<'_> {
    fn plain(&mut self) -> Result<(), Box<dyn Error>> {
        let mut gradient = vec![0.0; self.parameters.len()];
        self.model
            .loss_gradient(&self.parameters, self.data, &self.batch, &mut gradient)?;
        for (x, g) in self.parameters.iter_mut().zip(&gradient) {
            *x -= LEARNING_RATE * g;
        }
        Ok(())
    }

    fn private(&mut self) -> Result<(), Box<dyn Error>> {
        let mut sum = RecordSum::new(&self.mechanism)?;
        self.model
            .add_clipped(&self.parameters, self.data, &self.batch, &mut sum)?;
        // The multiplier is 0, so that this passes the integers through.
        let summed = RehearsalNoise::from_seed([0; 32]).noise(sum.finish()?)?;
        let share = LEARNING_RATE * self.mechanism.grid().step() as f32 / self.batch.len() as f32;
        for (x, &u) in self.parameters.iter_mut().zip(summed.values()) {
            *x += share * u as f32;
        }
        Ok(())
    }
}

fn made_up(net: Net, schema: &Schema, rows: usize, seed: &Seed) -> Result<Table, Box<dyn Error>> {
    let mut stream = seed.derive("data", &[]).stream();
    let features = (0..rows * schema.features()).map(|_| match net {
        Net::Tokens => stream.below(1000) as f32,
        _ => stream.normal() as f32,
    });
    let features = features.collect();
    let classes = if net == Net::Logistic { 2 } else { 10 };
    let targets = (0..rows)
        .map(|_| Target::Class(stream.below(classes) as usize))
        .collect();
    Ok(Table::new(schema.features(), features, targets)?)
}

fn fastest(seconds: &[f64]) -> f64 {
    seconds.iter().copied().fold(f64::INFINITY, f64::min)
}
