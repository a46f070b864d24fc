//! What a backbone wants to be fed: the sidecar's word first, then the graph's own shape, then `ImageNet` habits,
//! each assumption noted.

use serde::{Deserialize, Serialize};

use super::sidecar::{Sidecar, Size};
use crate::onnx::{GraphProto, TensorProto, ValueInfoProto, element};

/// Mean and deviation per channel of `ImageNet`'s training photographs scaled to 0..1, as torchvision's models use them.
const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// Sides of photographs a backbone may ask for, in pixels: below there is no fish to see, above one photograph
/// fills the memory.
pub(crate) const SIDES: std::ops::RangeInclusive<u32> = 16..=2048;

impl Layout {
    /// `NCHW` or `NHWC`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nchw => "NCHW",
            Self::Nhwc => "NHWC",
        }
    }
}

impl ChannelOrder {
    /// `RGB` or `BGR`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rgb => "RGB",
            Self::Bgr => "BGR",
        }
    }

    /// The other order.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::Rgb => Self::Bgr,
            Self::Bgr => Self::Rgb,
        }
    }
}

/// Order of the sides of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Layout {
    /// Batch, channels, height, width.
    Nchw,
    /// Batch, height, width, channels.
    Nhwc,
}

/// Order of the colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum ChannelOrder {
    /// Red first.
    Rgb,
    /// Blue first.
    Bgr,
}

/// The input of a backbone: pixel `x` (0..255) is fed as `(x * scale - mean) / std`.
#[derive(Debug, Clone, PartialEq)]
pub struct BackboneInput {
    /// Name of the graph's input.
    pub name: String,
    /// Pixels.
    pub height: u32,
    /// Pixels.
    pub width: u32,
    /// Order of the sides.
    pub layout: Layout,
    /// Order of the colours; `mean` and `std` stand in this order.
    pub channel_order: ChannelOrder,
    /// Factor on the pixel.
    pub scale: f32,
    /// Subtracted after scaling, per channel.
    pub mean: [f32; 3],
    /// Divided by at last, per channel.
    pub std: [f32; 3],
    /// How a photograph is made square, as `fishid-image` spells it, where the sidecar says so.
    pub fit: Option<String>,
    /// The resizing kernel, likewise.
    pub filter: Option<String>,
}

/// Puts sidecar, graph and habits together; returns the assumptions beside the input.
pub(super) fn describe(
    graph: &GraphProto,
    sidecar: &Sidecar,
) -> Result<(BackboneInput, Vec<String>), String> {
    let fields = sidecar.fields();
    let mut assumed = Vec::new();
    let value = image_value(graph, fields.name.as_deref())?;
    let shape = value.shape().unwrap_or_default();
    if !matches!(shape.len(), 0 | 4) {
        return Err(format!(
            "its input `{}` has {} sides, an image batch has 4",
            value.label(),
            shape.len()
        ));
    }
    let side = |axis: usize| shape.get(axis).copied().flatten();

    let layout = match fields
        .layout
        .as_deref()
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        Some("NCHW") => Layout::Nchw,
        Some("NHWC") => Layout::Nhwc,
        Some(other) => {
            return Err(format!(
                "its sidecar says layout `{other}`; known are NCHW and NHWC"
            ));
        }
        None => layout_by_shape(side(1), side(3), &mut assumed)?,
    };
    let [channels, high, wide] = match layout {
        Layout::Nchw => [1, 2, 3],
        Layout::Nhwc => [3, 1, 2],
    };
    if let Some(other) = side(channels).filter(|&count| count != 3) {
        return Err(format!(
            "its input has {other} channels where 3 colours are fed"
        ));
    }
    let [height, width] = image_size(fields.size, [side(high), side(wide)], &mut assumed)?;
    if !(SIDES.contains(&height) && SIDES.contains(&width)) {
        return Err(format!(
            "it asks for photographs of {width} x {height} pixels; each side has to be from {} to {} pixels",
            SIDES.start(),
            SIDES.end()
        ));
    }

    let channel_order = match fields
        .channel_order
        .as_deref()
        .map(str::to_ascii_uppercase)
        .as_deref()
    {
        Some("RGB") => ChannelOrder::Rgb,
        Some("BGR") => ChannelOrder::Bgr,
        Some(other) => {
            return Err(format!(
                "its sidecar says channel_order `{other}`; known are RGB and BGR"
            ));
        }
        None => {
            assumed.push("colours in the order RGB".to_owned());
            ChannelOrder::Rgb
        }
    };
    let mut or_assume = |what: &str, missing: bool| {
        if missing {
            assumed.push(what.to_owned());
        }
    };
    or_assume("pixels scaled by 1/255", fields.scale.is_none());
    or_assume("ImageNet's mean 0.485, 0.456, 0.406", fields.mean.is_none());
    or_assume(
        "ImageNet's standard deviation 0.229, 0.224, 0.225",
        fields.std.is_none(),
    );
    let by_order = |values: [f32; 3]| match channel_order {
        ChannelOrder::Rgb => values,
        ChannelOrder::Bgr => [values[2], values[1], values[0]],
    };
    let input = BackboneInput {
        name: value.label().to_owned(),
        height,
        width,
        layout,
        channel_order,
        scale: fields.scale.unwrap_or(1.0 / 255.0),
        mean: fields.mean.unwrap_or(by_order(IMAGENET_MEAN)),
        std: fields.std.unwrap_or(by_order(IMAGENET_STD)),
        fit: fields.fit.clone(),
        filter: fields.filter.clone(),
    };
    Ok((input, assumed))
}

/// The only graph input that is not a weight, float, and named as the sidecar says.
fn image_value<'a>(
    graph: &'a GraphProto,
    named: Option<&str>,
) -> Result<&'a ValueInfoProto, String> {
    let is_weight = |name: &str| {
        graph
            .initializer
            .iter()
            .map(TensorProto::label)
            .any(|weight| weight == name)
    };
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|input| !is_weight(input.label()))
        .collect();
    let [value] = inputs[..] else {
        let names: Vec<&str> = inputs.iter().map(|input| input.label()).collect();
        return Err(format!(
            "it should have one input, the image, but has {}: {}",
            names.len(),
            names.join(", ")
        ));
    };
    if let Some(named) = named.filter(|&named| named != value.label()) {
        return Err(format!(
            "its sidecar names the input `{named}`, but the graph has `{}`",
            value.label()
        ));
    }
    match value.element_type() {
        Some(element::FLOAT) => Ok(value),
        Some(element::UINT8) => {
            Err("its input is uint8; the backbone itself has to take float32".to_owned())
        }
        _ => Err("its input is not float32; export the network with a float32 input".to_owned()),
    }
}

fn layout_by_shape(
    second: Option<i64>,
    last: Option<i64>,
    assumed: &mut Vec<String>,
) -> Result<Layout, String> {
    let layout = match (second, last) {
        (Some(3), Some(3)) => {
            return Err("its input could be NCHW or NHWC; say `layout` in the sidecar".to_owned());
        }
        (_, Some(3)) => Layout::Nhwc,
        (Some(3) | None, _) => Layout::Nchw,
        (Some(other), _) => {
            return Err(format!(
                "its input has {other} channels where 3 colours are fed"
            ));
        }
    };
    assumed.push(
        format!("layout {layout:?} from the graph's shape")
            .replace("Nchw", "NCHW")
            .replace("Nhwc", "NHWC"),
    );
    Ok(layout)
}

fn image_size(
    stated: Option<Size>,
    graph: [Option<i64>; 2],
    assumed: &mut Vec<String>,
) -> Result<[u32; 2], String> {
    let own = graph.map(|side| {
        side.and_then(|side| u32::try_from(side).ok())
            .filter(|&side| side > 0)
    });
    let stated = stated.map(|size| match size {
        Size::Sides(sides) => sides,
        Size::Square(side) => [side, side],
    });
    match (stated, own) {
        (Some([height, width]), [own_height, own_width]) => {
            let agrees = own_height.is_none_or(|own| own == height)
                && own_width.is_none_or(|own| own == width);
            if !agrees || height == 0 || width == 0 {
                return Err(format!(
                    "its sidecar says size [{height}, {width}], but the graph takes {own:?}"
                ));
            }
            Ok([height, width])
        }
        (None, [Some(height), Some(width)]) => {
            assumed.push(format!(
                "photographs of {width} x {height} pixels from the graph's shape"
            ));
            Ok([height, width])
        }
        (None, _) => Err(
            "its graph leaves height and width open; write a JSON file beside it with \
             {\"input\": {\"size\": [224, 224]}}"
                .to_owned(),
        ),
    }
}
