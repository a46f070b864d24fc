//! What a species looks like, as data: the shape of the table in [`super::species`].
//! Owns no drawing. Lengths are in standard lengths (snout to tail base = 1), `u` runs along the
//! body from snout 0 to tail base 1, `v` across it from back -1 to belly 1.

use super::colour::Rgb;

/// Everything that tells one species from another.
pub(super) struct Profile {
    /// Folder name of the species in the catalogue.
    pub(super) slug: &'static str,
    /// Contour of the back: (u, height above the axis), u rising from 0 to 1.
    pub(super) back: &'static [(f32, f32)],
    /// Contour of the belly: (u, depth below the axis), u rising from 0 to 1.
    pub(super) belly: &'static [(f32, f32)],
    pub(super) head: Head,
    pub(super) skin: Skin,
    pub(super) patterns: &'static [Pattern],
    pub(super) fins: &'static [Fin],
}

pub(super) struct Head {
    /// u of the rear edge of the gill cover.
    pub(super) gill: f32,
    /// (u, height above the axis) of the eye's centre.
    pub(super) eye: (f32, f32),
    pub(super) eye_radius: f32,
    pub(super) iris: Rgb,
    /// Tip and corner of the mouth, each (u, height above the axis).
    pub(super) mouth: [(f32, f32); 2],
    pub(super) barbel: bool,
    /// Colour of cheek and gill cover.
    pub(super) cheek: Rgb,
}

pub(super) struct Skin {
    pub(super) back: Rgb,
    pub(super) flank: Rgb,
    pub(super) belly: Rgb,
    /// v where the colour of the back gives way to the flank's.
    pub(super) back_to: f32,
    /// Strength of the bright band along the upper flank, 0..=1.
    pub(super) shine: f32,
    /// Rows of scales across the deepest part of the body.
    pub(super) scale_rows: f32,
    /// How dark the edges of the scales are, 0..=1.
    pub(super) scale_edge: f32,
    /// Darkness of the lateral line, 0..=1.
    pub(super) lateral_line: f32,
}

/// A marking of the skin; `strength` is how much of its colour covers the skin, 0..=1.
pub(super) enum Pattern {
    /// Upright bars from the back down to `reach` (a v).
    Bars {
        colour: Rgb,
        count: f32,
        reach: f32,
        width: f32,
        strength: f32,
    },
    /// Spots strewn on a grid of `pitch` standard lengths, `long` times longer than high.
    Spots {
        colour: Rgb,
        pitch: f32,
        size: f32,
        long: f32,
        between: (f32, f32),
        strength: f32,
    },
    /// Irregular patches; the larger `cover`, the more of the skin they take.
    Mottle {
        colour: Rgb,
        pitch: f32,
        cover: f32,
        strength: f32,
    },
    /// A row of blotches along the flank at height `at` (a v).
    Blotches {
        colour: Rgb,
        count: f32,
        at: f32,
        size: f32,
        strength: f32,
    },
    /// A band along the body at height `at` (a v).
    Stripe {
        colour: Rgb,
        at: f32,
        width: f32,
        strength: f32,
    },
}

/// Where a fin is rooted.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Root {
    /// Along the back, between two u.
    Back(f32, f32),
    /// Along the belly, between two u.
    Belly(f32, f32),
    /// Across the end of the body.
    Tail,
    /// On the flank at (u, v): the breast fin.
    Flank(f32, f32),
}

/// A fan of rays with skin between them.
pub(super) struct Fin {
    pub(super) root: Root,
    pub(super) n_rays: u8,
    /// Hard rays with notched skin between them.
    pub(super) spiny: bool,
    /// Lengths of the rays at equal steps from front to rear (tail: from top to bottom).
    pub(super) lengths: &'static [f32],
    /// Degrees that the first and last ray lean towards the tail; for the tail and the breast fin,
    /// degrees above the axis.
    pub(super) lean: (f32, f32),
    pub(super) colour: Rgb,
    /// Colour towards the outer edge.
    pub(super) rim: Rgb,
    pub(super) marks: Marks,
}

impl Fin {
    /// A plain fin of soft rays; `colours` are its colour and that of its rim.
    pub(super) const fn soft(
        root: Root,
        n_rays: u8,
        lengths: &'static [f32],
        lean: (f32, f32),
        colours: [Rgb; 2],
    ) -> Self {
        let [colour, rim] = colours;
        Self {
            root,
            n_rays,
            spiny: false,
            lengths,
            lean,
            colour,
            rim,
            marks: Marks::Plain,
        }
    }

    /// The same with hard rays.
    pub(super) const fn spiny(
        root: Root,
        n_rays: u8,
        lengths: &'static [f32],
        lean: (f32, f32),
        colours: [Rgb; 2],
    ) -> Self {
        Self {
            spiny: true,
            ..Self::soft(root, n_rays, lengths, lean, colours)
        }
    }

    pub(super) const fn marked(self, marks: Marks) -> Self {
        Self { marks, ..self }
    }
}

/// Markings on a fin.
#[derive(Clone, Copy)]
pub(super) enum Marks {
    Plain,
    /// Rows of dots.
    Dots(Rgb),
    /// One blot at the rear of the fin.
    Blot(Rgb),
}
