use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Result};

/// Files of a folder that appear together, once all of them are whole. Until then what was there stays, and on a disk
/// that is full it stays for good.
pub struct Together {
    folder: PathBuf,
    names: Vec<String>,
}

impl Together {
    /// No files yet.
    pub fn into(folder: &Path) -> Self {
        Together { folder: folder.to_owned(), names: Vec::new() }
    }

    /// Where a file that is to have this name is written for now.
    pub fn begin(&mut self, name: &str) -> PathBuf {
        self.names.push(name.to_owned());
        part(&self.folder, name)
    }

    /// Adds a file of this text.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&mut self, name: &str, text: String) -> Result<()> {
        let part = self.begin(name);
        fs::write(part, text).doing(|| writing(&self.folder, name))
    }

    /// Lets all files appear, in the order in which they were begun.
    ///
    /// # Errors
    /// When one cannot be given its name.
    pub fn settle(mut self) -> Result<()> {
        for name in &self.names {
            fs::rename(part(&self.folder, name), self.folder.join(name)).doing(|| writing(&self.folder, name))?;
        }
        self.names.clear();
        Ok(())
    }
}

impl Drop for Together {
    fn drop(&mut self) {
        // One that could not be made is not there.
        self.names.iter().for_each(|name| _ = fs::remove_file(part(&self.folder, name)));
    }
}

fn part(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.part"))
}

fn writing(folder: &Path, name: &str) -> String {
    format!("writing {}", folder.join(name).display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_appear_together_or_what_was_there_stays() {
        let folder = tempfile::tempdir().unwrap();
        let there = || {
            let mut names: Vec<String> = fs::read_dir(folder.path())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        fs::write(folder.path().join("a"), "earlier").unwrap();
        let read = || fs::read_to_string(folder.path().join("a")).unwrap();
        let mut files = Together::into(folder.path());
        files.put("a", "new".into()).unwrap();
        assert!(files.put("missing/b", "new".into()).is_err());
        drop(files);
        assert_eq!((read().as_str(), there()), ("earlier", vec!["a".to_owned()]));
        let mut files = Together::into(folder.path());
        files.put("a", "new".into()).unwrap();
        fs::write(files.begin("b"), "new").unwrap();
        assert_eq!(read(), "earlier");
        files.settle().unwrap();
        assert_eq!((read().as_str(), there()), ("new", vec!["a".to_owned(), "b".to_owned()]));
    }
}
