//! A network small enough to work out by hand: one 3×3 convolution, a rectifier, the mean over positions.
//! Height and width differ, so that a swap of the two shows.

use std::sync::LazyLock;

use fishid_network::onnx::{AttributeProto, Dimension, ModelProto, ValueInfoProto, element};
use fishid_network::{BackboneFile, ChannelOrder, Convolution, GraphBuilder, Layout};

pub const HEIGHT: usize = 18;
pub const WIDTH: usize = 16;
pub const N_FILTERS: usize = 4;
/// Stride 2 halves both sides.
pub const MAP_SIDES: [usize; 2] = [9, 8];
const SCALE: f64 = 1.0 / 255.0;
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

/// Three photographs.
pub static PIXELS: LazyLock<Vec<u8>> = LazyLock::new(|| {
    (0..3 * HEIGHT * WIDTH * 3)
        .map(|i| ((i * 7919 + i * i * 31) % 256) as u8)
        .collect()
});

/// How the embedding comes out of the maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tail {
    PoolFlatten,
    PoolReshape,
    PoolFourSides,
    MeanByAttribute,
    MeanByInput,
    /// Not the mean alone: there must be no activation map.
    PoolReshapeRelu,
    /// No embedding; `features` only.
    None,
}

impl Tail {
    pub const ALL: [Self; 6] = [
        Self::PoolFlatten,
        Self::PoolReshape,
        Self::PoolFourSides,
        Self::MeanByAttribute,
        Self::MeanByInput,
        Self::PoolReshapeRelu,
    ];

    pub fn is_pooled(self) -> bool {
        self != Self::PoolReshapeRelu
    }
}

#[derive(Debug, Clone)]
pub struct TinyNet {
    pub opset: i64,
    pub layout: Layout,
    pub order: ChannelOrder,
    pub fixed_batch: Option<usize>,
    pub tail: Tail,
    pub has_features: bool,
    pub input: &'static str,
    /// Name of a value inside the network.
    pub inner: &'static str,
}

impl Default for TinyNet {
    fn default() -> Self {
        Self {
            opset: 13,
            layout: Layout::Nchw,
            order: ChannelOrder::Rgb,
            fixed_batch: None,
            tail: Tail::PoolFlatten,
            has_features: true,
            input: "input",
            inner: "inner",
        }
    }
}

fn weights() -> Vec<f32> {
    (0..N_FILTERS * 27)
        .map(|i| ((i as f32) * 1.3).sin() * 0.4)
        .collect()
}

fn bias() -> Vec<f32> {
    vec![0.1, -0.3, 0.2, 0.0]
}

impl TinyNet {
    fn batch(&self) -> Dimension {
        self.fixed_batch
            .map_or_else(|| Dimension::symbolic("batch"), Dimension::fixed)
    }

    pub fn model(&self) -> ModelProto {
        let mut builder = GraphBuilder::new("tiny", "");
        let [high, wide, three] = [HEIGHT, WIDTH, 3].map(Dimension::fixed);
        let dims = match self.layout {
            Layout::Nchw => vec![self.batch(), three, high, wide],
            Layout::Nhwc => vec![self.batch(), high, wide, three],
        };
        let mut value = builder.input(ValueInfoProto::tensor(self.input, element::FLOAT, dims));
        if self.layout == Layout::Nhwc {
            value = builder.transpose(&value, &[0, 3, 1, 2]);
        }
        let shape = Convolution {
            filters: N_FILTERS,
            channels: 3,
            kernel: 3,
            stride: 2,
            padding: (1, 1),
            groups: 1,
        };
        value = builder.conv(&value, shape, &weights(), &bias());
        builder.alias(&value, self.inner);
        let maps = builder.relu(self.inner);
        let [map_high, map_wide] = MAP_SIDES.map(Dimension::fixed);
        let filters = || Dimension::fixed(N_FILTERS);
        if self.has_features {
            builder.output(
                "features",
                &maps,
                vec![self.batch(), filters(), map_high, map_wide],
            );
        }
        if self.tail != Tail::None {
            let embedding = self.tail(&mut builder, &maps);
            let mut dims = vec![self.batch(), filters()];
            if self.tail == Tail::PoolFourSides {
                dims.extend([Dimension::fixed(1), Dimension::fixed(1)]);
            }
            builder.output("embedding", &embedding, dims);
        }
        builder.into_model(self.opset)
    }

    fn tail(&self, builder: &mut GraphBuilder, maps: &str) -> String {
        let flat = [self.fixed_batch.map_or(-1, |n| n as i64), N_FILTERS as i64];
        let mean_attributes = |axes: Vec<AttributeProto>| {
            let mut attributes = axes;
            attributes.push(AttributeProto::int("keepdims", 0));
            attributes
        };
        match self.tail {
            Tail::PoolFlatten => {
                let pooled = builder.global_average_pool(maps);
                builder.flatten(&pooled)
            }
            Tail::PoolFourSides | Tail::None => builder.global_average_pool(maps),
            Tail::PoolReshape | Tail::PoolReshapeRelu => {
                let pooled = builder.global_average_pool(maps);
                let shape = builder.int64s(&flat);
                let embedding = builder.node("Reshape", &[&pooled, &shape], Vec::new());
                if self.tail == Tail::PoolReshape {
                    embedding
                } else {
                    builder.relu(&embedding)
                }
            }
            Tail::MeanByAttribute => {
                let axes = vec![AttributeProto::ints("axes", &[2, 3])];
                builder.node("ReduceMean", &[maps], mean_attributes(axes))
            }
            Tail::MeanByInput => {
                let axes = builder.int64s(&[2, 3]);
                builder.node("ReduceMean", &[maps, &axes], mean_attributes(Vec::new()))
            }
        }
    }

    pub fn backbone(&self) -> BackboneFile {
        self.open(&self.model())
    }

    pub fn open(&self, model: &ModelProto) -> BackboneFile {
        let sidecar = serde_json::json!({
            "input": {
                "name": self.input, "size": [HEIGHT, WIDTH], "layout": self.layout,
                "channel_order": self.order, "scale": SCALE, "mean": MEAN, "std": STD,
            },
        });
        BackboneFile::from_parts(&model.save(), Some(&sidecar.to_string()), "tiny").unwrap()
    }

    /// The embedding of one photograph, worked out in f64 as the definition of the network says.
    pub fn reference(&self, pixels: &[u8]) -> Vec<f32> {
        let (weights, bias) = (weights(), bias());
        let at = |y: usize, x: usize, channel: usize| {
            let colour = match self.order {
                ChannelOrder::Rgb => channel,
                ChannelOrder::Bgr => 2 - channel,
            };
            let pixel = f64::from(pixels[(y * WIDTH + x) * 3 + colour]);
            (pixel * SCALE - MEAN[channel]) / STD[channel]
        };
        let response = |filter: usize, row: usize, column: usize| {
            let mut sum = f64::from(bias[filter]);
            for channel in 0..3 {
                for ky in 0..3 {
                    for kx in 0..3 {
                        // Padding of 1: positions outside are 0.
                        let (y, x) = (row * 2 + ky, column * 2 + kx);
                        if (1..=HEIGHT).contains(&y) && (1..=WIDTH).contains(&x) {
                            let weight = weights[((filter * 3 + channel) * 3 + ky) * 3 + kx];
                            sum += f64::from(weight) * at(y - 1, x - 1, channel);
                        }
                    }
                }
            }
            sum.max(0.0)
        };
        let positions =
            || (0..MAP_SIDES[0]).flat_map(|row| (0..MAP_SIDES[1]).map(move |column| (row, column)));
        let area = (MAP_SIDES[0] * MAP_SIDES[1]) as f64;
        (0..N_FILTERS)
            .map(|filter| {
                (positions()
                    .map(|(row, column)| response(filter, row, column))
                    .sum::<f64>()
                    / area) as f32
            })
            .collect()
    }
}
