//! The report of a sweep for people: one page, and one picture, each a function of what the sweep saved.

mod page;
mod picture;
mod saved;
mod tables;
mod verdict;
mod words;

use std::path::{Path, PathBuf};

use super::together::Together;
use crate::error::Result;
use saved::Saved;

/// Writes `report.html` into a folder: what the sweeps in `folders` say, side by side if they are several.
///
/// # Errors
/// When one of the folders is not a sweep's, or the page cannot be written.
pub fn write_report(folders: &[PathBuf], into: &Path) -> Result<PathBuf> {
    put(into, "report.html", page::page(&Saved::read(folders)?)?)
}

/// Writes `sweep.svg` into a folder: what the sweep in `folder` says, in one picture.
///
/// # Errors
/// When the folder is not a sweep's, or the picture cannot be written.
pub fn write_picture(folder: &Path, into: &Path) -> Result<PathBuf> {
    let saved = Saved::read(&[folder.to_owned()])?;
    put(into, "sweep.svg", picture::picture(&saved))
}

fn put(into: &Path, name: &str, text: String) -> Result<PathBuf> {
    let mut files = Together::into(into);
    files.put(name, text)?;
    files.settle()?;
    Ok(into.join(name))
}
