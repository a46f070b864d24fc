//! How a foreign classifier wants to be fed: its owner's word, checked against the graph. Unlike for a
//! backbone, nothing is assumed that changes every answer: what nobody states is refused with its flag.

use std::collections::HashSet;

use crate::NetworkError;
use crate::backbone::{BackboneInput, ChannelOrder, Layout, SIDES, Sidecar, Size};
use crate::onnx::{GraphProto, TensorProto, ValueInfoProto, element};

/// Element type of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputElement {
    /// float32
    Float,
    /// uint8
    Bytes,
}

/// What the owner says about the input; fields as in the file beside a backbone.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputStatement {
    /// Name of the graph's input.
    pub name: Option<String>,
    /// Height and width, pixels.
    pub size: Option<[u32; 2]>,
    /// Order of the sides.
    pub layout: Option<Layout>,
    /// Order of the colours.
    pub channel_order: Option<ChannelOrder>,
    /// Factor on the pixel.
    pub scale: Option<f32>,
    /// Subtracted after scaling, per channel as fed.
    pub mean: Option<[f32; 3]>,
    /// Divided by at last, per channel as fed.
    pub std: Option<[f32; 3]>,
    /// How a photograph is made the input's size.
    pub fit: Option<String>,
    /// The resizing kernel.
    pub filter: Option<String>,
}

impl InputStatement {
    /// From a JSON file in the form of the one beside a backbone.
    ///
    /// # Errors
    /// Not JSON, or values that cannot be; `name` names the model.
    pub fn of_sidecar(text: &str, name: &str) -> Result<Self, NetworkError> {
        let sidecar = Sidecar::parse(text, name)?;
        let fields = sidecar.fields();
        let word = |what: &str, value: &str| NetworkError::Sidecar {
            name: name.to_owned(),
            reason: format!("{what} is `{value}`"),
        };
        let layout = fields.layout.as_deref();
        let order = fields.channel_order.as_deref();
        Ok(Self {
            name: fields.name.clone(),
            size: fields.size.map(|size| match size {
                Size::Sides(sides) => sides,
                Size::Square(side) => [side, side],
            }),
            layout: layout
                .map(|text| text.parse().map_err(|()| word("layout", text)))
                .transpose()?,
            channel_order: order
                .map(|text| text.parse().map_err(|()| word("channel_order", text)))
                .transpose()?,
            scale: fields.scale,
            mean: fields.mean,
            std: fields.std,
            fit: fields.fit.clone(),
            filter: fields.filter.clone(),
        })
    }

    /// This statement, and `other`'s where this one is silent.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            name: self.name.or(other.name),
            size: self.size.or(other.size),
            layout: self.layout.or(other.layout),
            channel_order: self.channel_order.or(other.channel_order),
            scale: self.scale.or(other.scale),
            mean: self.mean.or(other.mean),
            std: self.std.or(other.std),
            fit: self.fit.or(other.fit),
            filter: self.filter.or(other.filter),
        }
    }
}

impl std::str::FromStr for Layout {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_uppercase().as_str() {
            "NCHW" => Ok(Self::Nchw),
            "NHWC" => Ok(Self::Nhwc),
            _ => Err(()),
        }
    }
}

impl std::str::FromStr for ChannelOrder {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_uppercase().as_str() {
            "RGB" => Ok(Self::Rgb),
            "BGR" => Ok(Self::Bgr),
            _ => Err(()),
        }
    }
}

type Described = (BackboneInput, InputElement, Vec<String>);

pub(super) fn describe(graph: &GraphProto, stated: &InputStatement) -> Result<Described, String> {
    let mut assumed = Vec::new();
    let value = image_value(graph, stated.name.as_deref())?;
    let element = match value.element_type() {
        Some(element::FLOAT) => InputElement::Float,
        Some(element::UINT8) => InputElement::Bytes,
        _ => {
            return Err(format!(
                "its input `{}` is neither float32 nor uint8; export it with one of these",
                value.label()
            ));
        }
    };
    let shape = value.shape().unwrap_or_default();
    if !matches!(shape.len(), 0 | 4) {
        return Err(format!(
            "its input `{}` has {} sides, an image batch has 4",
            value.label(),
            shape.len()
        ));
    }
    let side = |axis: usize| shape.get(axis).copied().flatten();
    let layout = layout(stated.layout, side(1), side(3))?;
    let [channels, high, wide] = match layout {
        Layout::Nchw => [1, 2, 3],
        Layout::Nhwc => [3, 1, 2],
    };
    if let Some(other) = side(channels).filter(|&count| count != 3) {
        return Err(format!(
            "as {} its input has {other} channels where 3 colours are fed; is --layout right?",
            layout.as_str()
        ));
    }
    let [height, width] = size(stated.size, [side(high), side(wide)])?;
    let channel_order = stated.channel_order.unwrap_or_else(|| {
        assumed.push("colours in the order RGB (--channel-order)".to_owned());
        ChannelOrder::Rgb
    });
    let (scale, mean, std) = numbers(stated, element, &mut assumed)?;
    let input = BackboneInput {
        name: value.label().to_owned(),
        height,
        width,
        layout,
        channel_order,
        scale,
        mean,
        std,
        fit: stated.fit.clone(),
        filter: stated.filter.clone(),
    };
    Ok((input, element, assumed))
}

/// The batch that the input states, if it is a number.
pub(super) fn fixed_batch(graph: &GraphProto, name: &str) -> Option<usize> {
    let value = graph.input.iter().find(|value| value.label() == name)?;
    let batch = value.shape()?.first().copied().flatten()?;
    usize::try_from(batch).ok().filter(|&batch| batch > 0)
}

fn image_value<'a>(
    graph: &'a GraphProto,
    named: Option<&str>,
) -> Result<&'a ValueInfoProto, String> {
    let weights: HashSet<&str> = graph.initializer.iter().map(TensorProto::label).collect();
    let inputs: Vec<_> = graph
        .input
        .iter()
        .filter(|input| !weights.contains(input.label()))
        .collect();
    let names: Vec<&str> = inputs.iter().map(|input| input.label()).collect();
    let [value] = inputs[..] else {
        return Err(format!(
            "it should have one input, the image, but has {}: {}",
            names.len(),
            names.join(", ")
        ));
    };
    match named.filter(|&named| named != value.label()) {
        Some(named) => Err(format!(
            "it has no input `{named}`; its input is `{}`",
            value.label()
        )),
        None => Ok(value),
    }
}

fn layout(
    stated: Option<Layout>,
    second: Option<i64>,
    last: Option<i64>,
) -> Result<Layout, String> {
    match (stated, second, last) {
        (Some(layout), _, _) => Ok(layout),
        (None, Some(3), Some(3)) | (None, None, None) => Err(
            "its graph does not say where the colours stand; say --layout nchw or --layout nhwc"
                .to_owned(),
        ),
        (None, Some(3), _) => Ok(Layout::Nchw),
        (None, _, Some(3)) => Ok(Layout::Nhwc),
        (None, second, last) => Err(format!(
            "no side of its input is 3, as colours are (channels first: {}, last: {}); say --layout nchw or --layout nhwc if one is left open",
            side_word(second),
            side_word(last)
        )),
    }
}

fn side_word(side: Option<i64>) -> String {
    side.map_or_else(|| "open".to_owned(), |side| side.to_string())
}

fn size(stated: Option<[u32; 2]>, graph: [Option<i64>; 2]) -> Result<[u32; 2], String> {
    let own = graph.map(|side| {
        side.and_then(|side| u32::try_from(side).ok())
            .filter(|&side| side > 0)
    });
    let size = match (stated, own) {
        (Some([height, width]), [own_height, own_width]) => {
            let agrees = own_height.is_none_or(|own| own == height)
                && own_width.is_none_or(|own| own == width);
            if !agrees {
                return Err(format!(
                    "--size says {height}x{width} (height x width), but the graph takes {}x{}",
                    side_word(graph[0]),
                    side_word(graph[1])
                ));
            }
            [height, width]
        }
        (None, [Some(height), Some(width)]) => [height, width],
        (None, _) => {
            return Err(
                "its graph leaves height and width open; say --size with what it was trained on, such as --size 224"
                    .to_owned(),
            );
        }
    };
    if size.iter().all(|side| SIDES.contains(side)) {
        Ok(size)
    } else {
        Err(format!(
            "it asks for photographs of {} x {} pixels; each side has to be from {} to {} pixels",
            size[1],
            size[0],
            SIDES.start(),
            SIDES.end()
        ))
    }
}

type Numbers = (f32, [f32; 3], [f32; 3]);

fn numbers(
    stated: &InputStatement,
    element: InputElement,
    assumed: &mut Vec<String>,
) -> Result<Numbers, String> {
    const NONE: Numbers = (1.0, [0.0; 3], [1.0; 3]);
    let is_silent = stated.scale.is_none() && stated.mean.is_none() && stated.std.is_none();
    if element == InputElement::Bytes {
        let plain = (
            stated.scale.unwrap_or(NONE.0),
            stated.mean.unwrap_or(NONE.1),
            stated.std.unwrap_or(NONE.2),
        );
        return if is_silent || plain == NONE {
            Ok(NONE)
        } else {
            Err("it takes bytes (uint8), so that --scale, --mean and --std have nothing to act on; leave them out".to_owned())
        };
    }
    let Some(scale) = stated.scale else {
        return Err(
            "nothing says how its pixels are scaled; say --scale 1/255 for values from 0 to 1, --scale 1 for 0 to 255, and --mean and --std where the training subtracted and divided (ImageNet: --mean 0.485,0.456,0.406 --std 0.229,0.224,0.225)"
                .to_owned(),
        );
    };
    let number = |value: f32| value.is_finite() && value != 0.0;
    let (mean, std) = (stated.mean, stated.std);
    if !number(scale) || !std.unwrap_or(NONE.2).into_iter().all(number) {
        return Err("--scale and --std have to be numbers other than 0".to_owned());
    }
    if mean.is_none() {
        assumed.push("no mean is subtracted (--mean)".to_owned());
    }
    if std.is_none() {
        assumed.push("no deviation is divided by (--std)".to_owned());
    }
    Ok((scale, mean.unwrap_or(NONE.1), std.unwrap_or(NONE.2)))
}
