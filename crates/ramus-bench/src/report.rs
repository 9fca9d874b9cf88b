//! Turns files of figures into a page in Markdown, with plots beside it.

mod bars;
mod growth;
mod page;
mod run;

use std::path::{Path, PathBuf};

use crate::Result;
use crate::cli::ReportOptions;
use page::Page;
use run::Run;

/// The names of these in a directory are those of plots.
const PLOT: &str = "svg";

pub(crate) fn run(options: &ReportOptions) -> Result<()> {
    let runs = options.files.iter().map(|file| Run::read(file)).collect::<Result<Vec<_>>>()?;
    let page = Page::of(&runs, options)?;
    let plots = options.out.with_extension("");
    std::fs::create_dir_all(&plots).map_err(|cause| cannot_write(&plots, &cause))?;
    remove_plots(&plots)?;
    for (name, plot) in &page.plots {
        write(&plots.join(name).with_extension(PLOT), plot)?;
    }
    write(&options.out, &page.text)?;
    println!("{} and {} plots in {}", options.out.display(), page.plots.len(), plots.display());
    Ok(())
}

/// Removes the plots of an earlier page, which may have had others.
fn remove_plots(directory: &Path) -> Result<()> {
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == PLOT) {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn write(path: &PathBuf, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|cause| cannot_write(path, &cause))
}

fn cannot_write(path: &Path, cause: &std::io::Error) -> Box<dyn std::error::Error> {
    format!("cannot write {}: {cause}", path.display()).into()
}

#[cfg(test)]
mod tests;
