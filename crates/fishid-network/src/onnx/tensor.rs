//! Constants in and out of `TensorProto`, attributes and value descriptions. Values only, no graphs.

use super::{
    AttributeProto, Dimension, TensorProto, TensorShapeProto, TensorTypeProto, TypeProto,
    ValueInfoProto, element,
};

/// `AttributeProto.AttributeType` numbers.
const ATTRIBUTE_FLOAT: i32 = 1;
const ATTRIBUTE_INT: i32 = 2;
const ATTRIBUTE_INTS: i32 = 7;

impl TensorProto {
    /// Float weights, stored as raw little-endian bytes as other writers do.
    pub fn floats(name: &str, dims: &[usize], values: &[f32]) -> Self {
        let raw = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, dims, element::FLOAT, raw)
    }

    /// Whole numbers: shapes, indices, axes.
    pub fn int64s(name: &str, dims: &[usize], values: &[i64]) -> Self {
        let raw = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        Self::raw(name, dims, element::INT64, raw)
    }

    fn raw(name: &str, dims: &[usize], data_type: i32, raw: Vec<u8>) -> Self {
        Self {
            name: Some(name.to_owned()),
            dims: dims.iter().map(|&side| side as i64).collect(),
            data_type: Some(data_type),
            raw_data: Some(raw),
            ..Self::default()
        }
    }

    /// The tensor's name; empty when it has none.
    pub fn label(&self) -> &str {
        self.name.as_deref().unwrap_or_default()
    }

    /// The values of an int64 tensor, stored either way.
    pub fn read_int64s(&self) -> Option<Vec<i64>> {
        if self.data_type != Some(element::INT64) {
            return None;
        }
        Some(match &self.raw_data {
            Some(raw) => raw
                .as_chunks()
                .0
                .iter()
                .map(|&bytes| i64::from_le_bytes(bytes))
                .collect(),
            None => self.int64_data.clone(),
        })
    }

    /// Whether the values stand in another file.
    pub fn is_external(&self) -> bool {
        self.data_location == Some(1) || !self.external_data.is_empty()
    }
}

impl AttributeProto {
    /// A whole number.
    pub fn int(name: &str, value: i64) -> Self {
        Self {
            name: Some(name.to_owned()),
            i: Some(value),
            r#type: Some(ATTRIBUTE_INT),
            ..Self::default()
        }
    }

    /// A list of whole numbers.
    pub fn ints(name: &str, values: &[i64]) -> Self {
        Self {
            name: Some(name.to_owned()),
            ints: values.to_vec(),
            r#type: Some(ATTRIBUTE_INTS),
            ..Self::default()
        }
    }

    /// A number.
    pub fn float(name: &str, value: f32) -> Self {
        Self {
            name: Some(name.to_owned()),
            f: Some(value),
            r#type: Some(ATTRIBUTE_FLOAT),
            ..Self::default()
        }
    }
}

impl Dimension {
    /// A known side.
    pub fn fixed(value: usize) -> Self {
        Self {
            dim_value: Some(value as i64),
            ..Self::default()
        }
    }

    /// A side known only at run time.
    pub fn symbolic(name: &str) -> Self {
        Self {
            dim_param: Some(name.to_owned()),
            ..Self::default()
        }
    }
}

impl ValueInfoProto {
    /// Describes a tensor value.
    pub fn tensor(name: &str, elem_type: i32, dims: Vec<Dimension>) -> Self {
        let shape = Some(TensorShapeProto { dim: dims });
        let tensor_type = Some(TensorTypeProto {
            elem_type: Some(elem_type),
            shape,
        });
        Self {
            name: Some(name.to_owned()),
            r#type: Some(TypeProto {
                tensor_type,
                ..TypeProto::default()
            }),
            ..Self::default()
        }
    }
}
