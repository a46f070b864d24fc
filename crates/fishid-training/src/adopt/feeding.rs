//! Other ways in which photographs are often fed, to see whether one of them suits the classifier better than
//! the stated one: a wrong scale costs some accuracy and shows in nothing else.

use fishid_network::{BackboneInput, ChannelOrder, InputElement};

use super::chance::is_beyond_chance;
use crate::evaluation::argmax;

const IMAGENET_MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const IMAGENET_STD: [f32; 3] = [0.229, 0.224, 0.225];

/// One way, and the flags that state it.
pub(super) struct Feeding {
    pub input: BackboneInput,
    pub flags: String,
}

/// The common ways that are not the stated one.
pub(super) fn others(stated: &BackboneInput, element: InputElement) -> Vec<Feeding> {
    let order = stated.channel_order.reversed();
    let mut ways = vec![Feeding {
        input: BackboneInput {
            channel_order: order,
            ..stated.clone()
        },
        flags: format!("--channel-order {}", order.as_str().to_lowercase()),
    }];
    if element == InputElement::Bytes {
        return ways;
    }
    // Numbers are given in the order of the channels as fed.
    let arranged = |[r, g, b]: [f32; 3]| match stated.channel_order {
        ChannelOrder::Rgb => [r, g, b],
        ChannelOrder::Bgr => [b, g, r],
    };
    let (mean, std) = (arranged(IMAGENET_MEAN), arranged(IMAGENET_STD));
    let listed = |[a, b, c]: [f32; 3]| format!("{a},{b},{c}");
    let imagenet = format!(
        "--scale 1/255 --mean {} --std {}",
        listed(mean),
        listed(std)
    );
    for (scale, mean, std, flags) in [
        (1.0, [0.0; 3], [1.0; 3], "--scale 1 --mean 0 --std 1"),
        (
            1.0 / 255.0,
            [0.0; 3],
            [1.0; 3],
            "--scale 1/255 --mean 0 --std 1",
        ),
        (
            1.0 / 255.0,
            [0.5; 3],
            [0.5; 3],
            "--scale 1/255 --mean 0.5 --std 0.5",
        ),
        (1.0 / 255.0, mean, std, imagenet.as_str()),
    ] {
        let input = BackboneInput {
            scale,
            mean,
            std,
            ..stated.clone()
        };
        if !are_alike(&input, stated) {
            ways.push(Feeding {
                input,
                flags: flags.to_owned(),
            });
        }
    }
    ways
}

/// Whether black and white become nearly the same numbers.
fn are_alike(a: &BackboneInput, b: &BackboneInput) -> bool {
    let fed = |input: &BackboneInput, value: f32, channel: usize| {
        (value * input.scale - input.mean[channel]) / input.std[channel]
    };
    (0..3).all(|channel| {
        let [black, white] = [0.0, 255.0].map(|value| fed(a, value, channel));
        let width = (white - black).abs();
        [(black, 0.0), (white, 255.0)]
            .iter()
            .all(|&(own, value)| (own - fed(b, value, channel)).abs() < 0.02 * width)
    })
}

/// Refuses the stated way when another one names the samples better beyond chance.
pub(super) fn none_better(
    stated: &[&[f32]],
    others: &[(Feeding, Vec<Vec<f32>>)],
    truth: &[usize],
) -> Result<(), String> {
    let n_right = |rows: &mut dyn Iterator<Item = &[f32]>| {
        let pairs = rows.zip(truth);
        pairs.filter(|(row, class)| argmax(row) == **class).count()
    };
    let mut better: Vec<(usize, &str)> = Vec::new();
    for (way, rows) in others {
        let (mut gain, mut loss) = (0, 0);
        for ((row, other), &class) in stated.iter().zip(rows).zip(truth) {
            let (own, other) = (argmax(row) == class, argmax(other) == class);
            gain += u64::from(other && !own);
            loss += u64::from(own && !other);
        }
        if is_beyond_chance(gain, loss) {
            better.push((n_right(&mut rows.iter().map(Vec::as_slice)), &way.flags));
        }
    }
    if better.is_empty() {
        return Ok(());
    }
    better.sort_by_key(|&(n, _)| std::cmp::Reverse(n));
    let told: Vec<String> = better
        .iter()
        .map(|(n, flags)| format!("{n} with {flags}"))
        .collect();
    Err(format!(
        "fed as stated it names {} of {} samples right, but {}. Say how it was trained",
        n_right(&mut stated.iter().copied()),
        truth.len(),
        told.join(", ")
    ))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use fishid_network::Layout;

    fn input() -> BackboneInput {
        BackboneInput {
            name: "x".to_owned(),
            height: 32,
            width: 32,
            layout: Layout::Nchw,
            channel_order: ChannelOrder::Rgb,
            scale: 1.0 / 255.0,
            mean: [0.0; 3],
            std: [1.0; 3],
            fit: None,
            filter: None,
        }
    }

    fn flags(stated: &BackboneInput, element: InputElement) -> Vec<String> {
        let ways = others(stated, element).into_iter();
        ways.map(|way| way.flags).collect()
    }

    #[test]
    fn every_common_way_but_the_stated_one_is_tried() {
        let found = flags(&input(), InputElement::Float);
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(
            !found
                .iter()
                .any(|way| way == "--scale 1/255 --mean 0 --std 1")
        );
        assert_eq!(
            flags(&input(), InputElement::Bytes),
            ["--channel-order bgr"]
        );
        // -1 to 1 by other numbers, and ImageNet's in bytes and BGR.
        let symmetric = BackboneInput {
            scale: 1.0,
            mean: [127.5; 3],
            std: [127.5; 3],
            ..input()
        };
        let found = flags(&symmetric, InputElement::Float);
        assert!(!found.iter().any(|way| way.contains("0.5")), "{found:?}");
        let caffe = BackboneInput {
            scale: 1.0,
            channel_order: ChannelOrder::Bgr,
            mean: [103.5, 116.3, 123.7],
            std: [57.4, 57.1, 58.4],
            ..input()
        };
        let found = flags(&caffe, InputElement::Float);
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "--channel-order rgb");
        assert!(!found.iter().any(|way| way.contains("0.225")), "{found:?}");
    }

    #[test]
    fn a_way_that_is_better_beyond_chance_is_named_and_the_best_of_them() {
        let row = |answer: usize| -> Vec<f32> {
            (0..2).map(|i| f32::from(u8::from(i == answer))).collect()
        };
        let truth = [0, 1].repeat(20);
        let right: Vec<Vec<f32>> = truth.iter().map(|&class| row(class)).collect();
        let half = vec![row(0); 40];
        let mut most = right.clone();
        most[0] = row(1);
        let way = |flags: &str, rows: &[Vec<f32>]| {
            let (input, flags) = (input(), flags.to_owned());
            (Feeding { input, flags }, rows.to_vec())
        };
        let check = |stated: &[Vec<f32>], others: &[(Feeding, Vec<Vec<f32>>)]| {
            let rows: Vec<&[f32]> = stated.iter().map(Vec::as_slice).collect();
            none_better(&rows, others, &truth)
        };
        assert_eq!(check(&right, &[way("--half", &half)]), Ok(()));
        assert_eq!(
            check(&most, &[way("--right", &right)]),
            Ok(()),
            "one is chance"
        );
        let error = check(&half, &[way("--most", &most), way("--right", &right)]).unwrap_err();
        assert!(
            error.contains("names 20 of 40 samples right, but 40 with --right, 39 with --most"),
            "{error}"
        );
    }
}
