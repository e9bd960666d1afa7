// SPDX-License-Identifier: Apache-2.0
//! `polygraph models add-scene`: labels of users, made of example pictures.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use polygraph_models::{
    Engine, Provider, Store,
    picture::{Matrix, Picture, PixelFormat},
    scene::{AddedLabel, AddedLabels, SceneNetwork, ScenePicture},
};

use crate::{
    error::{Error, Result},
    eval::still::{self, Planes},
};

/// Files that are taken for pictures.
const ENDINGS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Makes a label of the pictures in a folder and puts it beside the networks.
///
/// # Errors
/// When the folder can't be read, or the pictures make no label; pictures that can't be read are told and left out.
pub fn add(store: &Store, label: &str, folder: &Path) -> Result<ExitCode> {
    let files = files(folder)?;
    if files.is_empty() {
        return Err(Error::input(folder.display().to_string(), "there is no JPEG or PNG file in it"));
    }
    let network = SceneNetwork::load(&Engine::shared(Provider::Auto)?)?;
    let mut examples = Vec::with_capacity(files.len());
    for file in &files {
        match still::decode(file).and_then(|picture| squeezed(&Planes::of(&picture))) {
            Ok(picture) => examples.push(network.look(&picture)?.embedding),
            Err(why) => errln!("polygraph: {} is left out: {why}", file.display()),
        }
    }
    let Some(model) = network.added() else {
        return Err(Error::input(label, "the network for scenes knows no labels of users"));
    };
    let made = AddedLabel::learn(label, &examples, model, network.identity())?;
    let path = AddedLabels::save(store, &made)?;
    let (found, of) = (made.leave_one_out.found, made.leave_one_out.of);
    outln!("`{label}` was made of {of} pictures; {found} of them are found by a label made of the others.");
    outln!(
        "It is told from p = {:.2} on. How often it is told wrongly nobody has measured: try it on pictures of other things.",
        made.least
    );
    outln!("{}", path.display());
    Ok(ExitCode::SUCCESS)
}

/// Takes a label away.
///
/// # Errors
/// When there is no such label, or its file can't be removed.
pub fn remove(store: &Store, label: &str) -> Result<ExitCode> {
    if !AddedLabels::remove(store, label)? {
        return Err(Error::input(label, "there is no such label; `polygraph models list` names those that there are"));
    }
    outln!("`{label}` is gone");
    Ok(ExitCode::SUCCESS)
}

/// The labels of the store, for `polygraph models list`.
pub fn list(store: &Store) -> Result<()> {
    for (label, examples) in AddedLabels::names(store)? {
        outln!("label {label:<18} of {examples} pictures, by `polygraph models add-scene`");
    }
    Ok(())
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::file(folder))?;
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    let mut files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).filter(is_picture).collect();
    files.sort();
    Ok(files)
}

/// As `polyscene` would show it to the network.
fn squeezed(planes: &Planes) -> Result<ScenePicture, String> {
    let [luma, cb, cr] = &planes.data;
    let picture = Picture {
        format: PixelFormat::I420,
        width: planes.width,
        height: planes.height,
        planes: [luma, cb, cr],
        strides: [planes.width, planes.width / 2, planes.width / 2],
        matrix: Matrix::Bt601,
        full_range: false,
        pixel_aspect: 1.0,
    };
    ScenePicture::new(&picture).map_err(|error| error.to_string())
}
