//! How the published files call their tensors: timm's way and torchvision's.

use super::plan::{Block, ConvShape, Network};

/// Whose names a file uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// `blocks.3.1.conv_dw.weight`
    Timm,
    /// `features.4.1.block.1.0.weight`
    Torchvision,
}

impl Naming {
    /// As people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Timm => "timm",
            Self::Torchvision => "torchvision",
        }
    }

    /// Whose names these are; `None` when they are neither's.
    pub(super) fn recognise<'a>(mut names: impl Iterator<Item = &'a str>) -> Option<Self> {
        names.find_map(|name| {
            if name.starts_with("conv_stem.") || name.starts_with("blocks.") {
                Some(Self::Timm)
            } else if name.starts_with("features.") {
                Some(Self::Torchvision)
            } else {
                None
            }
        })
    }

    /// Tensors that every file may hold and no backbone needs: the ImageNet classifier and counters.
    pub(super) fn is_ignored(name: &str) -> bool {
        name.starts_with("classifier.") || name.ends_with(".num_batches_tracked")
    }
}

/// Pairs of timm's and torchvision's name for every part with tensors (`conv_stem` and `features.0.0`).
pub(super) fn torchvision_parts(network: &Network) -> Vec<(String, String)> {
    let mut parts = Vec::new();
    conv(&mut parts, &network.stem, "features.0");
    let mut index = 0;
    for (i, block) in network.blocks.iter().enumerate() {
        let starts_stage = i == 0 || network.blocks[i - 1].stage != block.stage;
        index = if starts_stage { 0 } else { index + 1 };
        let name = format!("features.{}.{index}.block", block.stage + 1);
        block_parts(&mut parts, block, &name);
    }
    conv(
        &mut parts,
        &network.head,
        &format!("features.{}", Network::N_STAGES + 1),
    );
    parts
}

fn block_parts(parts: &mut Vec<(String, String)>, block: &Block, name: &str) {
    let mut layer = 0;
    let mut next = || {
        layer += 1;
        format!("{name}.{}", layer - 1)
    };
    if let Some(expand) = &block.expand {
        conv(parts, expand, &next());
    }
    conv(parts, &block.depthwise, &next());
    let gate = next();
    for (ours, theirs) in [("conv_reduce", "fc1"), ("conv_expand", "fc2")] {
        parts.push((
            format!("{}.{ours}", block.gate.name),
            format!("{gate}.{theirs}"),
        ));
    }
    conv(parts, &block.project, &next());
}

fn conv(parts: &mut Vec<(String, String)>, conv: &ConvShape, name: &str) {
    parts.push((conv.name.clone(), format!("{name}.0")));
    parts.push((conv.norm.clone(), format!("{name}.1")));
}
