use toml_edit::{DocumentMut, Item, Table, Value};

/// The text of a TOML file with some settings of a section put in; everything else, with its comments, stays as it is.
///
/// # Errors
/// When it is not TOML, or the section is something else.
pub fn with_settings(text: &str, section: &str, settings: &[(&str, Value)]) -> Result<String, String> {
    let mut document: DocumentMut = text.parse().map_err(|e: toml_edit::TomlError| e.to_string())?;
    let table = document.entry(section).or_insert_with(|| Item::Table(Table::new()));
    let table = table.as_table_like_mut().ok_or_else(|| format!("`{section}` is not a table"))?;
    for (key, value) in settings {
        let mut value = value.clone();
        match table.get_mut(key).and_then(Item::as_value_mut) {
            Some(old) => {
                *value.decor_mut() = old.decor().clone();
                *old = value;
            }
            None => _ = table.insert(key, Item::Value(value)),
        }
    }
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> String {
        with_settings(text, "batch", &[("policy", "linger".into()), ("max_ticks", 64.into())]).unwrap()
    }

    #[test]
    fn settings_are_put_in_and_everything_else_stays() {
        assert_eq!(put(""), "[batch]\npolicy = \"linger\"\nmax_ticks = 64\n");
        let text = "# mine\nworkers = 1   # one\n\n[batch]  # here\nmax_ticks  = 5    # five\nmax_bytes = \"1MiB\"\n\n[late]\n";
        let expected = "# mine\nworkers = 1   # one\n\n[batch]  # here\nmax_ticks  = 64    # five\nmax_bytes = \"1MiB\"\npolicy = \"linger\"\n\n[late]\n";
        assert_eq!(put(text), expected);
        assert_eq!(put("batch = { max_ticks = 1 }\n"), "batch = { max_ticks = 64 , policy = \"linger\" }\n");
        assert_eq!(put("batch.max_ticks = 1\n"), "batch.max_ticks = 64\nbatch.policy = \"linger\"\n");
        assert!(with_settings("batch = 1\n", "batch", &[]).unwrap_err().contains("`batch` is not a table"));
        assert!(with_settings("[batch\n", "batch", &[]).is_err());
    }
}
