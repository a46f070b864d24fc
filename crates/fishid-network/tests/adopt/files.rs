//! What is read beside the model, and what is not.

use std::fs;
use std::path::Path;

use fishid_network::onnx::{
    AttributeProto, ModelProto, NodeProto, StringStringEntryProto, TensorProto,
};
use fishid_network::{ForeignClassifier, Statement};

use super::{Net, open, scaled, stated};

#[test]
fn weights_in_a_file_beside_the_model_are_brought_inside() {
    let statement = stated(scaled(1.0 / 255.0));
    let inside = Net::default().open(&statement).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (model, file) = (
        external(Net::default().model(), "weights.bin"),
        folder.path().join("net.onnx"),
    );
    fs::write(&file, model.0.save()).unwrap();
    fs::write(folder.path().join("weights.bin"), &model.1).unwrap();
    let outside = ForeignClassifier::open(&file, &statement).unwrap();
    assert_eq!(outside.original(), inside.original());
    assert_eq!(outside.weights_digest, inside.weights_digest);

    fs::write(folder.path().join("weights.bin"), &model.1[..20]).unwrap();
    let error = ForeignClassifier::open(&file, &statement).unwrap_err();
    assert!(error.to_string().contains("is the file whole?"), "{error}");
    fs::remove_file(folder.path().join("weights.bin")).unwrap();
    let error = ForeignClassifier::open(&file, &statement).unwrap_err();
    assert!(error.to_string().contains("weights.bin"), "{error}");
    for place in ["../weights.bin", "/etc/hostname"] {
        fs::write(&file, external(Net::default().model(), place).0.save()).unwrap();
        let error = ForeignClassifier::open(&file, &statement).unwrap_err();
        assert!(
            error.to_string().contains("outside the model's folder"),
            "{error}"
        );
    }
}

#[cfg(unix)]
#[test]
fn weights_behind_a_link_out_of_the_folder_or_in_no_file_are_refused() {
    let statement = stated(scaled(1.0 / 255.0));
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("model");
    fs::create_dir(&folder).unwrap();
    let (model, weights) = external(Net::default().model(), "weights.bin");
    let file = folder.join("net.onnx");
    fs::write(&file, model.save()).unwrap();
    fs::write(outer.path().join("secret.bin"), &weights).unwrap();
    std::os::unix::fs::symlink("../secret.bin", folder.join("weights.bin")).unwrap();
    let error = ForeignClassifier::open(&file, &statement).unwrap_err();
    assert!(
        error.to_string().contains("outside the model's folder"),
        "{error}"
    );
    fs::remove_file(folder.join("weights.bin")).unwrap();
    fs::create_dir(folder.join("weights.bin")).unwrap();
    let error = ForeignClassifier::open(&file, &statement).unwrap_err();
    assert!(error.to_string().contains("which is no file"), "{error}");
}

#[test]
fn functions_with_weights_in_other_files_are_refused_and_others_kept() {
    let statement = stated(scaled(1.0 / 255.0));
    let (outside, _) = external(Net::default().model(), "weights.bin");
    let tensor = outside.graph.unwrap().initializer.remove(0);
    let function = |tensor: TensorProto| {
        let constant = NodeProto {
            op_type: Some("Constant".to_owned()),
            attribute: vec![AttributeProto {
                t: Some(tensor),
                ..AttributeProto::int("value", 0)
            }],
            ..NodeProto::default()
        };
        // Field 7 of a function is its nodes.
        let bytes = prost::Message::encode_to_vec(&constant);
        let mut function = vec![7 << 3 | 2];
        prost::encode_length_delimiter(bytes.len(), &mut function).unwrap();
        [function, bytes].concat()
    };
    let mut model = Net::default().model();
    model.functions = vec![function(tensor)];
    let error = open(&model, &statement).unwrap_err();
    assert!(error.contains("inline_local_functions"), "{error}");
    model.functions = vec![function(TensorProto::default())];
    assert!(open(&model, &statement).is_ok());
    model.functions = vec![vec![0xff]];
    assert!(open(&model, &statement).unwrap_err().contains("broken"));
}

/// The model with its weights in one file of that name; and that file.
fn external(mut model: ModelProto, place: &str) -> (ModelProto, Vec<u8>) {
    let mut bytes = Vec::new();
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let raw = tensor.raw_data.take().unwrap();
        let entry = |key: &str, value: String| StringStringEntryProto {
            key: Some(key.to_owned()),
            value: Some(value),
        };
        tensor.data_location = Some(1);
        tensor.external_data = vec![
            entry("location", place.to_owned()),
            entry("offset", bytes.len().to_string()),
            entry("length", raw.len().to_string()),
        ];
        bytes.extend(raw);
    }
    (model, bytes)
}

#[test]
fn a_file_that_is_no_network_is_said_to_be_none() {
    let error = ForeignClassifier::open(Path::new("/nowhere/net.onnx"), &Statement::default());
    assert!(error.unwrap_err().to_string().contains("/nowhere/net.onnx"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("net.onnx");
    fs::write(&file, "<html>").unwrap();
    let error = ForeignClassifier::open(&file, &Statement::default()).unwrap_err();
    assert!(error.to_string().contains("not an ONNX file"), "{error}");
}
