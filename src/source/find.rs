//! Which files a path stands for.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use crate::error::{Doing as _, Error, Result};
use crate::tape::format::{Format, uncompressed};
use crate::tape::is_unfinished;
use crate::tick::{mix, stable_hash};

/// What the names of tapes end in.
pub(super) const EXTENSIONS: &str = ".csv, .jsonl, .ndjson, .json, .bin, .parquet, .pq, .dbn or .dbn.zst";

/// So many files are told one by one.
const FEW: usize = 2_000;

/// The files that a path stands for: itself, all tapes in a folder and below, or what a glob matches; sorted.
///
/// # Errors
/// When there are none, when they are of a tape that was not written to its end, or when a folder holds the same rows
/// twice: the course dataset's two trees, or a tape in two formats.
pub fn find(path: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    if Path::new(path).is_dir() {
        walk(Path::new(path), &mut BTreeSet::new(), &mut files)?;
        files.retain(|file| Format::of(file).is_some());
        refuse_twice(path, &files)?;
    } else if path.contains(['*', '?', '[']) && !Path::new(path).exists() {
        let matches = glob::glob(path).map_err(|e| Error::Usage(format!("reading {path}: {e}")))?;
        let mut folder = None;
        for found in matches {
            let found = found.map_err(|e| Error::Input(format!("reading {path}: {e}")))?;
            if found.is_file() {
                files.push(found);
            } else {
                folder = Some(found);
            }
        }
        if files.is_empty() {
            return Err(no_match(path, folder));
        }
    } else {
        std::fs::metadata(path).doing(|| format!("reading {path}"))?;
        files.push(path.into());
    }
    if files.is_empty() {
        return Err(Error::Input(format!("reading {path}: no file here ends in {EXTENSIONS}")));
    }
    files.sort();
    // Files and parts of folders, too, are of a tape that may not be there to its end.
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let mut seen = BTreeSet::new();
    for folder in folders {
        let Ok(folder) = folder.join(".").canonicalize() else { continue };
        for folder in folder.ancestors().take_while(|folder| seen.insert(folder.to_path_buf())) {
            refuse_unfinished(folder)?;
        }
    }
    Ok(files)
}

/// Refuses a folder in which a day or a symbol is there in two formats: who converts a tape gets the same rows once more.
fn refuse_twice(path: &str, files: &[PathBuf]) -> Result<()> {
    let mut seen: HashMap<_, &PathBuf> = HashMap::new();
    for file in files {
        let name = uncompressed(file).file_stem().map(ToOwned::to_owned);
        let other = *seen.entry((file.parent().and_then(Path::file_name), name)).or_insert(file);
        if Format::of(other) != Format::of(file) {
            return Err(Error::Usage(format!(
                "reading {path}: {} and {} look like the same rows in two formats: give the folder of one, or a pattern \
                 such as {path}/**/* where both are meant",
                other.display(),
                file.display()
            )));
        }
    }
    Ok(())
}

/// Refuses a folder that says that its tape was not written to its end.
fn refuse_unfinished(folder: &Path) -> Result<()> {
    if is_unfinished(folder) {
        let text = "what is in it was not written to its end, as its file UNFINISHED says: make it anew";
        return Err(Error::Input(format!("reading {}: {text}", folder.display())));
    }
    Ok(())
}

/// The error of a pattern that no file matches; `folder` is one that does.
fn no_match(path: &str, folder: Option<PathBuf>) -> Error {
    let why = match folder {
        Some(folder) => {
            format!("only folders such as {} do; give that, or {path}/* for what is in them", folder.display())
        }
        None if Path::new(path).is_absolute() => "give a file, a folder, or another pattern".into(),
        None => {
            let here = std::env::current_dir().unwrap_or_default();
            format!("it was looked for from {} on; give a file, a folder, or another pattern", here.display())
        }
    };
    Error::Input(format!("reading {path}: no file here matches this pattern: {why}"))
}

/// How long each file is that a path names, by which two processes tell whether they see the same ones; of very many, one
/// number for all.
///
/// # Errors
/// When there are none, or one cannot be looked at.
pub(super) fn lengths(path: &str) -> Result<BTreeMap<String, u64>> {
    let length = |path: PathBuf| {
        let found = std::fs::metadata(&path).doing(|| format!("reading {}", path.display()))?;
        Ok((path.to_string_lossy().into_owned(), found.len()))
    };
    let all = find(path)?.into_iter().map(length).collect::<Result<BTreeMap<_, _>>>()?;
    if all.len() <= FEW {
        return Ok(all);
    }
    let number = all.iter().fold(0, |number, (name, length)| mix(number ^ stable_hash(name.as_bytes())) ^ length);
    Ok([(format!("{path}, {} files", all.len()), number)].into())
}

/// Gathers the files of a folder and below, but for what is hidden: editors and notebooks leave copies there. Links may
/// lead back up, so each folder is entered once.
pub(super) fn walk(folder: &Path, entered: &mut BTreeSet<PathBuf>, files: &mut Vec<PathBuf>) -> Result<()> {
    let doing = || format!("reading {}", folder.display());
    if !entered.insert(folder.canonicalize().doing(doing)?) {
        return Ok(());
    }
    refuse_unfinished(folder)?;
    let (minute, json) = (folder.join("minute"), folder.join("json"));
    if minute.is_dir() && json.is_dir() {
        return Err(Error::Usage(format!(
            "reading {}: it holds the same rows twice: give {} or {} instead",
            folder.display(),
            minute.display(),
            json.display()
        )));
    }
    for entry in std::fs::read_dir(folder).doing(doing)? {
        let entry = entry.doing(doing)?;
        let path = entry.path();
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if path.is_dir() {
            walk(&path, entered, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
