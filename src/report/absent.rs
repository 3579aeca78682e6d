use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::config::closest;
use crate::tick::Names;

/// A symbol that was asked for, and of which nothing was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Absent {
    /// Its name, as it was written.
    pub symbol: String,
    /// One that was read, and may have been meant.
    pub meant: Option<String>,
}

impl Absent {
    /// Those of the symbols that were asked for that are not among the names of what was read.
    pub fn among(asked: &[String], read: &Names) -> Vec<Absent> {
        let names = read.all();
        let others: Vec<&str> =
            names.iter().map(|name| &**name).filter(|name| !asked.iter().any(|it| it == name)).collect();
        let absent = asked.iter().filter(|symbol| !read.has(symbol));
        absent
            .map(|symbol| Absent { symbol: symbol.clone(), meant: closest(symbol, &others).map(str::to_owned) })
            .collect()
    }

    /// All of them in words: `nothing was read of IMB (did you mean IBM?), XYZ`; nothing if there are none.
    pub fn told(all: &[Absent]) -> Option<String> {
        let listed: Vec<String> = all.iter().map(Absent::to_string).collect();
        (!all.is_empty()).then(|| format!("nothing was read of {}", listed.join(", ")))
    }
}

impl Display for Absent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // The user's own words reach the terminal, and may hold anything.
        write!(f, "{}", self.symbol.replace(char::is_control, "?"))?;
        self.meant.iter().try_for_each(|meant| write!(f, " (did you mean {meant}?)"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_was_not_read_is_told_beside_who_may_have_been_meant() {
        let read = Names::default();
        ["IBM", "AIG", "C", "BRK.A"].iter().for_each(|name| _ = read.intern(name));
        let told = |asked: &[&str]| {
            let asked: Vec<String> = asked.iter().map(|name| (*name).to_owned()).collect();
            Absent::told(&Absent::among(&asked, &read))
        };
        assert_eq!(told(&[]), None);
        assert_eq!(told(&["IBM", "C"]), None);
        assert_eq!(told(&["IMB", "AIG"]).unwrap(), "nothing was read of IMB (did you mean IBM?)");
        // Whatever the case; a single letter is near to every other one, and who was asked for anyway was not meant.
        assert_eq!(told(&["brk.a", "D", "XYZ"]).unwrap(), "nothing was read of brk.a (did you mean BRK.A?), D, XYZ");
        assert_eq!(told(&["IBM", "IBN"]).unwrap(), "nothing was read of IBN");
    }
}
