use std::fs;
use std::path::Path;

use crate::error::{Doing as _, Error, Result};

/// The addresses of a run's processes, of a file with a line HOST:PORT for each.
///
/// # Errors
/// When it cannot be read, a line is no address, or there are more or fewer than processes.
pub fn hosts(path: &Path, processes: usize) -> Result<Vec<String>> {
    let shown = path.display();
    let text = fs::read_to_string(path).doing(|| format!("reading the addresses of the processes from {shown}"))?;
    let hosts: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect();
    let is_address = |address: &&String| {
        address
            .rsplit_once(':')
            .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|n| n > 0))
    };
    if let Some(wrong) = hosts.iter().find(|host| !is_address(host)) {
        return Err(Error::Usage(format!("{shown}: `{wrong}` is no address; write a line HOST:PORT for each process")));
    }
    if let Some(twice) = hosts.iter().enumerate().find(|(at, host)| hosts[..*at].contains(host)) {
        let text = "each process needs an address of its own";
        return Err(Error::Usage(format!("{shown}: {} is there twice: {text}", twice.1)));
    }
    if hosts.len() != processes {
        let lines = hosts.len();
        return Err(Error::Usage(format!(
            "{shown} has {lines} addresses, and there are {processes} processes: write a line HOST:PORT for each"
        )));
    }
    Ok(hosts)
}
