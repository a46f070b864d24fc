//! What the moves of an alias come to, whichever registry recorded them.

use crate::registry::{Action, Event};

/// The version `alias` pointed at before the move it stands on now: each promotion stacks one
/// version up, each roll-back takes one off.
pub(crate) fn previous_holder(events: &[Event], alias: &str) -> Option<String> {
    let mut holders: Vec<&str> = Vec::new();
    for event in events
        .iter()
        .filter(|event| event.alias.as_deref() == Some(alias))
    {
        match event.action {
            // Where an alias was taken off, the next promotion starts from nothing and stacks up all the same.
            Action::Published | Action::Deleted | Action::Removed => {}
            Action::Promoted => {
                // A history with a gap still knows where the first move after it came from.
                if let Some(from) = &event.from
                    && holders.last() != Some(&from.as_str())
                {
                    holders.push(from);
                }
                // A promotion to where the alias was repaired a damaged file, and is no move.
                if holders.last() != Some(&event.to.as_str()) {
                    holders.push(&event.to);
                }
            }
            Action::RolledBack => {
                holders.pop();
                if holders.last() != Some(&event.to.as_str()) {
                    holders = vec![&event.to];
                }
            }
        }
    }
    holders.pop();
    holders.pop().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn event(seq: u64, action: Action, from: Option<u64>, to: u64) -> Event {
        Event {
            seq,
            time: Timestamp::UNIX_EPOCH,
            who: "Анна".to_owned(),
            why: "because\nit fits".to_owned(),
            action,
            alias: (action != Action::Published).then(|| "production".to_owned()),
            from: from.map(|number| number.to_string()),
            to: to.to_string(),
        }
    }

    fn check_previous(moves: &[(Action, Option<u64>, u64)], expected: Option<&str>) {
        let events: Vec<Event> = moves
            .iter()
            .map(|(action, from, to)| event(1, *action, *from, *to))
            .collect();
        assert_eq!(
            previous_holder(&events, "production").as_deref(),
            expected,
            "{moves:?}"
        );
        assert_eq!(previous_holder(&events, "staging"), None);
    }

    #[test]
    fn rolling_back_walks_back_through_the_promotions() {
        use Action::{Promoted, Published, RolledBack};
        check_previous(&[], None);
        check_previous(&[(Published, None, 1), (Promoted, None, 1)], None);
        let three = [
            (Promoted, None, 1),
            (Promoted, Some(1), 2),
            (Promoted, Some(2), 3),
        ];
        check_previous(&three, Some("2"));
        let back_once = [&three[..], &[(RolledBack, Some(3), 2)]].concat();
        check_previous(&back_once, Some("1"));
        let back_twice = [&back_once[..], &[(RolledBack, Some(2), 1)]].concat();
        check_previous(&back_twice, None);
        let forth_again = [&back_twice[..], &[(Promoted, Some(1), 3)]].concat();
        check_previous(&forth_again, Some("1"));
        check_previous(&[(Promoted, Some(4), 5)], Some("4"));
        check_previous(&[(Promoted, None, 1), (Promoted, Some(4), 5)], Some("4"));
        check_previous(&[(Promoted, Some(4), 5), (Promoted, Some(5), 5)], Some("4"));
    }
}
