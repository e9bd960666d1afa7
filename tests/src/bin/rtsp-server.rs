// SPDX-License-Identifier: Apache-2.0
//! A real RTSP server for the tests: libgstrtspserver shows a file that was encoded once, at the pace of a camera. It
//! is a process of its own, so that it can be killed and stopped as cameras are, and its CPU is counted apart.

// A helper of the tests: what it can't do it says and ends.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use gst_rtsp_server::gst_rtsp::RTSPAuthMethod;
use gst_rtsp_server::prelude::*;
use gst_rtsp_server::{RTSPAuth, RTSPMediaFactory, RTSPServer, RTSPToken, gio, glib};

/// Shows FILE at `rtsp://127.0.0.1:PORT/live`, and says `listening PORT` when it does.
#[derive(Parser)]
struct Arguments {
    /// An MP4 file with H.264 and AAC
    file: PathBuf,
    /// 0 for any
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Ask for this name and password, NAME:PASSWORD
    #[arg(long)]
    credentials: Option<String>,
    /// How to ask for them
    #[arg(long, value_enum, default_value = "digest")]
    auth: Auth,
    /// A PEM file with a certificate and its key: speak TLS
    #[arg(long)]
    tls: Option<PathBuf>,
    /// Send no sound
    #[arg(long)]
    silent: bool,
    /// Send what no client can decode
    #[arg(long)]
    unknown_codec: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Auth {
    Digest,
    Basic,
}

fn main() {
    let arguments = Arguments::parse();
    gst::init().expect("GStreamer");
    let server = RTSPServer::new();
    server.set_address("127.0.0.1");
    server.set_service(&arguments.port.to_string());
    let factory = RTSPMediaFactory::new();
    factory.set_launch(&launch(&arguments));
    // One film for all who watch, as a camera does.
    factory.set_shared(true);
    if let Some(auth) = auth(&arguments, &factory) {
        server.set_auth(Some(&auth));
    }
    server.mount_points().expect("mount points").add_factory("/live", factory);
    let source = server.attach(None).expect("the port is free");
    println!("listening {}", server.bound_port());
    glib::MainLoop::new(None, false).run();
    source.remove();
}

fn launch(arguments: &Arguments) -> String {
    let file = arguments.file.display();
    if arguments.unknown_codec {
        let caps = "application/x-rtp,media=video,clock-rate=90000,encoding-name=X-NOBODY,payload=96";
        return format!(
            "( videotestsrc is-live=true ! video/x-raw,width=64,height=48 ! rtpvrawpay ! capssetter replace=true caps={caps} ! identity name=pay0 )"
        );
    }
    let sound = if arguments.silent { "" } else { "d.audio_0 ! queue ! aacparse ! rtpmp4gpay name=pay1 pt=97" };
    format!(
        "( filesrc location=\"{file}\" ! qtdemux name=d d.video_0 ! queue ! h264parse ! \
         rtph264pay name=pay0 pt=96 config-interval=-1 {sound} )"
    )
}

fn auth(arguments: &Arguments, factory: &RTSPMediaFactory) -> Option<RTSPAuth> {
    if arguments.credentials.is_none() && arguments.tls.is_none() {
        return None;
    }
    let auth = RTSPAuth::new();
    if let Some(pem) = &arguments.tls {
        auth.set_tls_certificate(Some(&gio::TlsCertificate::from_file(pem).expect("a certificate and its key")));
    }
    let role =
        gst::Structure::builder("watcher").field("media.factory.access", true).field("media.factory.construct", true);
    factory.add_role_from_structure(&role.build());
    let token = RTSPToken::builder().field("media.factory.role", "watcher").build();
    match &arguments.credentials {
        Some(credentials) => {
            let (user, password) = credentials.split_once(':').expect("NAME:PASSWORD");
            match arguments.auth {
                Auth::Digest => {
                    auth.set_supported_methods(RTSPAuthMethod::Digest);
                    auth.add_digest(user, password, &token);
                }
                Auth::Basic => auth.add_basic(&RTSPAuth::make_basic(user, password), &token),
            }
        }
        None => auth.set_default_token(Some(&mut token.clone())),
    }
    Some(auth)
}
