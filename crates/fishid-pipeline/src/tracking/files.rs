//! The files of a tracked run that people look at in a tracker: the confusion matrix and the curves, each as
//! JSON and as a table, the matrix as a picture too. Knows no tracker.

use fishid_training::{ConfusionMatrix, EpochMetrics, Evaluation};
use serde_json::json;

/// Side of a cell in the picture, and room for the names beside and below.
const CELL: usize = 28;
const MARGIN: usize = 190;

/// A file's name and content.
pub(super) type File = (&'static str, Vec<u8>);

/// Every file of one evaluation and one training.
pub(super) fn files(test: &Evaluation, curve: &[EpochMetrics]) -> anyhow::Result<Vec<File>> {
    let matrix = &test.confusion_matrix;
    Ok(vec![
        ("evaluation/test.json", pretty(test)?),
        ("evaluation/confusion_matrix.json", pretty(matrix)?),
        (
            "evaluation/confusion_matrix.csv",
            table(matrix).into_bytes(),
        ),
        (
            "evaluation/confusion_matrix.svg",
            picture(matrix).into_bytes(),
        ),
        ("evaluation/per_class.csv", per_class(test).into_bytes()),
        ("evaluation/reliability.json", pretty(&test.reliability)?),
        ("training/curves.json", pretty(&json!(curve))?),
        ("training/curves.csv", curves(curve).into_bytes()),
    ])
}

fn pretty(value: &impl serde::Serialize) -> anyhow::Result<Vec<u8>> {
    Ok(serde_json::to_vec_pretty(value)?)
}

/// A field of CSV (RFC 4180).
fn field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn table(matrix: &ConfusionMatrix) -> String {
    let mut text = String::from("true \\ answered");
    for class in &matrix.classes {
        text = format!("{text},{}", field(class));
    }
    text.push('\n');
    for (class, counts) in matrix.classes.iter().zip(&matrix.counts) {
        text.push_str(&field(class));
        for count in counts {
            text.push_str(&format!(",{count}"));
        }
        text.push('\n');
    }
    text
}

fn per_class(test: &Evaluation) -> String {
    let mut text = String::from("class,precision,recall,f1,n\n");
    for (class, score) in &test.per_class {
        text.push_str(&format!(
            "{},{},{},{},{}\n",
            field(class),
            score.precision,
            score.recall,
            score.f1,
            score.n
        ));
    }
    text
}

fn curves(curve: &[EpochMetrics]) -> String {
    let mut text =
        String::from("epoch,train_loss,validation_loss,validation_accuracy,validation_macro_f1\n");
    for epoch in curve {
        text.push_str(&format!(
            "{},{},{},{},{}\n",
            epoch.epoch,
            epoch.train_loss,
            epoch.validation_loss,
            epoch.validation_accuracy,
            epoch.validation_macro_f1
        ));
    }
    text
}

/// A picture of the matrix: a cell is as dark as its share of the photographs of its true class.
fn picture(matrix: &ConfusionMatrix) -> String {
    let n = matrix.classes.len();
    let side = MARGIN + n * CELL + 10;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{side}\" height=\"{side}\" font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/>\n"
    );
    for (row, (class, counts)) in matrix.classes.iter().zip(&matrix.counts).enumerate() {
        let total: usize = counts.iter().sum();
        let y = MARGIN + row * CELL;
        let name = escaped(class);
        let (x, baseline) = (MARGIN - 6, y + 18);
        svg.push_str(&format!(
            "<text x=\"{x}\" y=\"{baseline}\" text-anchor=\"end\">{name}</text>\n\
             <text transform=\"translate({},{x}) rotate(-90)\">{name}</text>\n",
            y + 18
        ));
        for (column, count) in counts.iter().enumerate() {
            let x = MARGIN + column * CELL;
            let share = *count as f64 / total.max(1) as f64;
            let colour = if row == column {
                "26,98,56"
            } else {
                "172,42,32"
            };
            let ink = if share > 0.5 { "#fff" } else { "#222" };
            svg.push_str(&format!(
                "<rect x=\"{x}\" y=\"{y}\" width=\"{CELL}\" height=\"{CELL}\" fill=\"rgba({colour},{share:.2})\" stroke=\"#ddd\"/>\n"
            ));
            if *count > 0 {
                svg.push_str(&format!(
                    "<text x=\"{}\" y=\"{baseline}\" text-anchor=\"middle\" fill=\"{ink}\">{count}</text>\n",
                    x + CELL / 2
                ));
            }
        }
    }
    svg.push_str("<text x=\"10\" y=\"20\">rows: true class, columns: answer</text>\n</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> ConfusionMatrix {
        ConfusionMatrix {
            classes: vec!["a,b".to_owned(), "<perch>".to_owned()],
            counts: vec![vec![3, 1], vec![0, 2]],
        }
    }

    #[test]
    fn a_matrix_is_a_table_whose_names_may_hold_commas() {
        assert_eq!(
            table(&matrix()),
            "true \\ answered,\"a,b\",<perch>\n\"a,b\",3,1\n<perch>,0,2\n"
        );
    }

    #[test]
    fn a_picture_shows_every_count_but_zero() {
        let svg = picture(&matrix());
        assert_eq!(svg.matches("<rect").count(), 5, "four cells and the paper");
        assert_eq!(svg.matches("text-anchor=\"middle\"").count(), 3);
        assert!(svg.contains("&lt;perch&gt;") && !svg.contains("<perch>"));
    }

    #[test]
    fn curves_are_a_line_an_epoch() {
        let epoch = EpochMetrics {
            epoch: 1,
            train_loss: 0.5,
            validation_loss: 0.25,
            validation_accuracy: 1.0,
            validation_macro_f1: 0.75,
        };
        assert!(curves(&[epoch]).ends_with("\n1,0.5,0.25,1,0.75\n"));
    }
}
