//! Weights that stand in files beside the model, as `MLflow` and large exports write them, brought inside:
//! a bundle has one model file.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Component, Path};

use prost::Message;

use super::names::{visit_tensors, visit_tensors_mut};
use super::{GraphProto, NodeProto, TensorProto};

/// A protobuf message cannot be larger than 2 GiB.
pub const MAX_INLINE_BYTES: u64 = 2_000_000_000;

/// Reads every external weight from `folder` into the graph.
///
/// # Errors
/// A file that is missing, too short or outside `folder`, or weights too large for one file; in words.
pub fn inline_external(graph: &mut GraphProto, folder: &Path) -> Result<(), String> {
    let mut n_bytes = 0;
    visit_tensors_mut(graph, &mut |tensor: &mut TensorProto| {
        if tensor.is_external() {
            inline(tensor, folder, &mut n_bytes)?;
        }
        Ok(())
    })
}

/// Refuses weights in other files inside a model's own functions, which are handed on as they are.
///
/// # Errors
/// Such weights, or bytes that are no function; in words.
pub fn check_functions_inside(functions: &[Vec<u8>]) -> Result<(), String> {
    for bytes in functions {
        let function = FunctionProto::decode(&bytes[..])
            .map_err(|_| "one of its functions is broken".to_owned())?;
        let body = GraphProto {
            node: function.node,
            ..GraphProto::default()
        };
        let mut is_inside = true;
        visit_tensors(&body, &mut |tensor| is_inside &= !tensor.is_external());
        if !is_inside {
            return Err(
                "a function of it takes weights from another file, which is not supported; export it without functions (in Python: onnx.inliner.inline_local_functions)"
                    .to_owned(),
            );
        }
    }
    Ok(())
}

/// Of a model's own operator only its nodes.
#[derive(Clone, PartialEq, Message)]
struct FunctionProto {
    #[prost(message, repeated, tag = "7")]
    node: Vec<NodeProto>,
}

fn inline(tensor: &mut TensorProto, folder: &Path, n_bytes: &mut u64) -> Result<(), String> {
    let entry = |key: &str| {
        tensor
            .external_data
            .iter()
            .find(|entry| entry.key.as_deref() == Some(key))
            .and_then(|entry| entry.value.as_deref())
    };
    let number = |key: &str| -> Result<Option<u64>, String> {
        entry(key)
            .map(|text| text.parse().map_err(|_| format!("{key} `{text}`")))
            .transpose()
            .map_err(|what| format!("its weights state a broken {what}"))
    };
    let location = entry("location").ok_or("weights in another file that is not named")?;
    let is_beside = Path::new(location)
        .components()
        .all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if !is_beside {
        return Err(format!(
            "its weights are said to stand in `{location}`, outside the model's folder; such a file is not read"
        ));
    }
    let path = folder.join(location);
    let failed = |error: std::io::Error| {
        format!(
            "its weights stand in {}, which cannot be read: {error}; keep that file beside the model",
            path.display()
        )
    };
    let offset = number("offset")?.unwrap_or(0);
    // A link inside the folder may lead out of it as well as `..` does; opening a pipe would wait for ever.
    let real = path.canonicalize().map_err(failed)?;
    let root = folder.canonicalize().map_err(failed)?;
    if !real.starts_with(&root) {
        return Err(format!(
            "its weights are said to stand in `{location}`, a link to {}, outside the model's folder; put the file itself there",
            real.display()
        ));
    }
    if !real.is_file() {
        return Err(format!(
            "its weights are said to stand in {}, which is no file",
            path.display()
        ));
    }
    let mut file = File::open(&real).map_err(failed)?;
    let size = file.metadata().map_err(failed)?.len();
    let length = match number("length")? {
        Some(length) => length,
        None => size.saturating_sub(offset),
    };
    *n_bytes = n_bytes.saturating_add(length);
    if *n_bytes > MAX_INLINE_BYTES {
        return Err(format!(
            "its weights are more than {MAX_INLINE_BYTES} bytes, which do not fit into one ONNX file"
        ));
    }
    if offset.saturating_add(length) > size {
        return Err(format!(
            "{} has {size} bytes, but the model wants {length} from {offset} on; is the file whole?",
            path.display()
        ));
    }
    file.seek(SeekFrom::Start(offset)).map_err(failed)?;
    let mut raw = Vec::with_capacity(length as usize);
    file.take(length).read_to_end(&mut raw).map_err(failed)?;
    tensor.raw_data = Some(raw);
    tensor.external_data.clear();
    tensor.data_location = None;
    Ok(())
}
