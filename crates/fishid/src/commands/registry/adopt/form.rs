//! How an adopted classifier is fed: flags before the JSON file beside it before the `MLmodel`'s signature.

use std::path::Path;

use fishid_bundle::{MlflowOnnx, TensorSpec};
use fishid_network::{InputStatement, Layout, Statement};

use crate::cli::AdoptedForm;
use crate::exit::{BlameInput as _, InputError};

pub fn statement(
    form: &AdoptedForm,
    file: &Path,
    folder: Option<&MlflowOnnx>,
) -> anyhow::Result<Statement> {
    let beside = file.with_extension("json");
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let of_sidecar = if beside.is_file() {
        let text = std::fs::read_to_string(&beside).blame_input()?;
        InputStatement::of_sidecar(&text, &name).blame_input()?
    } else {
        InputStatement::default()
    };
    let of_signature = match folder.map(|folder| &folder.inputs[..]) {
        Some([input]) => of_signature(input),
        _ => InputStatement::default(),
    };
    let named_output = match folder.map(|folder| &folder.outputs[..]) {
        Some([output]) => output.name.clone(),
        _ => None,
    };
    let kind = form.output_kind.as_deref().map(|text| {
        text.parse()
            .map_err(|()| wrong("output-kind", text, "logits or probabilities"))
    });
    Ok(Statement {
        input: flags(form)?.or(of_sidecar).or(of_signature),
        output: form.output.clone().or(named_output),
        kind: kind.transpose()?,
    })
}

fn flags(form: &AdoptedForm) -> Result<InputStatement, InputError> {
    Ok(InputStatement {
        name: form.input.clone(),
        size: form.size.as_deref().map(size).transpose()?,
        layout: form
            .layout
            .as_deref()
            .map(|text| {
                text.parse()
                    .map_err(|()| wrong("layout", text, "nchw or nhwc"))
            })
            .transpose()?,
        channel_order: form
            .channel_order
            .as_deref()
            .map(|text| {
                text.parse()
                    .map_err(|()| wrong("channel-order", text, "rgb or bgr"))
            })
            .transpose()?,
        scale: form
            .scale
            .as_deref()
            .map(|text| number(text).ok_or_else(|| wrong("scale", text, "a number such as 1/255")))
            .transpose()?,
        mean: channels("mean", form.mean.as_deref())?,
        std: channels("std", form.std.as_deref())?,
        fit: form.fit.clone(),
        filter: None,
    })
}

/// What a signature says without words: where the 3 stands, and the sides.
fn of_signature(input: &TensorSpec) -> InputStatement {
    let side = |axis: usize| {
        let side = input.shape.get(axis).copied()?;
        u32::try_from(side).ok().filter(|&side| side > 0)
    };
    let layout = match (input.shape.len(), side(1), side(3)) {
        (4, Some(3), last) if last != Some(3) => Some(Layout::Nchw),
        (4, second, Some(3)) if second != Some(3) => Some(Layout::Nhwc),
        _ => None,
    };
    let sides = match layout {
        Some(Layout::Nchw) => side(2).zip(side(3)),
        Some(Layout::Nhwc) => side(1).zip(side(2)),
        None => None,
    };
    InputStatement {
        name: input.name.clone(),
        layout,
        size: sides.map(|(height, width)| [height, width]),
        ..InputStatement::default()
    }
}

fn size(text: &str) -> Result<[u32; 2], InputError> {
    let sides: Option<Vec<u32>> = text
        .split(['x', '×'])
        .map(|side| side.trim().parse().ok())
        .collect();
    match sides.as_deref() {
        Some([side]) => Ok([*side, *side]),
        Some([height, width]) => Ok([*height, *width]),
        _ => Err(wrong(
            "size",
            text,
            "a side such as 224, or height x width such as 240x320",
        )),
    }
}

/// A number or a fraction of two.
fn number(text: &str) -> Option<f32> {
    let parsed: f64 = match text.split_once('/') {
        Some((over, under)) => {
            let [over, under] = [over, under].map(|part| part.trim().parse::<f64>());
            over.ok()? / under.ok()?
        }
        None => text.trim().parse().ok()?,
    };
    parsed.is_finite().then_some(parsed as f32)
}

fn channels(flag: &str, text: Option<&str>) -> Result<Option<[f32; 3]>, InputError> {
    let Some(text) = text else { return Ok(None) };
    let numbers: Option<Vec<f32>> = text.split(',').map(number).collect();
    match numbers.as_deref() {
        Some([all]) => Ok(Some([*all; 3])),
        Some([first, second, third]) => Ok(Some([*first, *second, *third])),
        _ => Err(wrong(flag, text, "one number, or three between commas")),
    }
}

fn wrong(flag: &str, text: &str, expected: &str) -> InputError {
    InputError(format!("--{flag} {text}: give {expected}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        assert_eq!(number("1/255"), Some(1.0 / 255.0));
        assert_eq!(number("0.5"), Some(0.5));
        assert_eq!(number("1/0"), None);
        assert_eq!(channels("mean", Some("0.5")).unwrap(), Some([0.5; 3]));
        assert_eq!(
            channels("mean", Some("1, 2,3")).unwrap(),
            Some([1.0, 2.0, 3.0])
        );
        assert!(channels("mean", Some("1,2")).is_err());
        assert_eq!(size("224").unwrap(), [224, 224]);
        assert_eq!(size("240x320").unwrap(), [240, 320]);
        assert!(size("big").is_err());
    }

    #[test]
    fn a_signature_says_layout_and_size_where_it_is_plain() {
        let spec = |shape: &[i64]| {
            of_signature(&TensorSpec {
                name: Some("x".to_owned()),
                dtype: "float32".to_owned(),
                shape: shape.to_vec(),
            })
        };
        let first = spec(&[-1, 3, 64, 48]);
        assert_eq!(
            (first.layout, first.size),
            (Some(Layout::Nchw), Some([64, 48]))
        );
        let last = spec(&[-1, -1, -1, 3]);
        assert_eq!((last.layout, last.size), (Some(Layout::Nhwc), None));
        assert_eq!(spec(&[-1, 3, 3, 3]).layout, None);
    }
}
