// SPDX-License-Identifier: Apache-2.0
//! Media to feed the command with: made by ffmpeg from the files in `$POLYGRAPH_HOME/media`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One of the fetched media.
pub fn original(name: &str) -> PathBuf {
    let path = crate::home().join("media").join(name);
    assert!(path.is_file(), "{} is missing: ./dev setup fetches it", path.display());
    path
}

/// Runs `ffmpeg` on arguments that are split at spaces; `{name}` stands for an original, the output comes last.
pub fn ffmpeg(arguments: &str, output: &Path) {
    let resolve = |argument: &str| match argument.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => original(name).into_os_string(),
        None => argument.into(),
    };
    let made = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-y"])
        .args(arguments.split_whitespace().map(resolve))
        .arg(output)
        .stdin(Stdio::null())
        .output()
        .expect("ffmpeg is missing: apt install ffmpeg (./dev test does)");
    assert!(made.status.success(), "ffmpeg {arguments}: {}", String::from_utf8_lossy(&made.stderr));
}

/// The first `parts` hundredths of a file, as a connection that broke would leave it.
pub fn truncated(whole: &Path, parts: usize, output: &Path) {
    let bytes = fs::read(whole).expect("the whole file");
    fs::write(output, &bytes[..bytes.len() * parts / 100]).expect("the truncated file");
}

/// The file with a run of bytes overwritten, from `parts` hundredths on.
pub fn corrupted(whole: &Path, parts: usize, length: usize, output: &Path) {
    let mut bytes = fs::read(whole).expect("the whole file");
    let start = bytes.len() * parts / 100;
    let end = (start + length).min(bytes.len());
    // No value that a decoder could take for a start code or a length.
    for (index, byte) in bytes[start..end].iter_mut().enumerate() {
        *byte = 0x55 ^ (index as u8).wrapping_mul(37);
    }
    fs::write(output, bytes).expect("the corrupted file");
}

/// Eight seconds with every kind of event: three of a street, a cut, five of a portrait; words from the start.
pub fn programme(output: &Path) {
    ffmpeg(
        "-i {bikes.mp4} -framerate 25 -loop 1 -t 5 -i {astronaut.png} -i {two_cities.wav} -filter_complex \
         [0:v]trim=duration=3,scale=640:272,setsar=1,fps=25[street];\
         [1:v]scale=-2:272,pad=640:272:(ow-iw)/2:0,setsar=1[portrait];\
         [street][portrait]concat=n=2:v=1:a=0,format=yuv420p[v] \
         -map [v] -map 2:a -t 8 -c:v libx264 -preset ultrafast -c:a aac -movflags +faststart",
        output,
    );
}
