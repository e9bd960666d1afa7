# SPDX-License-Identifier: Apache-2.0
"""The bench's peer: what a user would write in Python for cuts, faces, speech activity and a live transcript of a file.

PyAV decodes; every picture becomes an RGB array, because the cut detector looks at each; OpenCV resizes; onnxruntime
runs the same networks at the same rates as Polygraph does. Loudness, face tracks and the joining of their scores, the
measures that tell whether a face can be judged, joining by time, schemas and Kafka are left out, which favours this
script.

usage: peer.py INPUT NETWORKS EVENTS   (NETWORKS: $POLYGRAPH_HOME/networks; counts go to stdout as JSON)
"""

import json
import pathlib
import sys

import av
import cv2
import numpy as np

from networks import RATE, WINDOW, Faces, Forensics, Recogniser, VoiceActivity

ANALYSIS_FPS = 5
PARTIAL_EVERY = RATE // 2
PARTIAL_WINDOW = 4 * RATE
LONGEST = 15 * RATE
PAUSE = RATE * 6 // 10
SMALLEST_FACE = 40  # pixels of its square
CUT = 27.0  # mean HSV difference, the usual default of content-aware cut detectors


class Video:
    """Cuts on every picture, faces on five a second."""

    def __init__(self, networks: pathlib.Path, emit):
        self.faces, self.forensics, self.emit = Faces(networks), Forensics(networks), emit
        self.last, self.next_analysis = None, 0.0

    def push(self, frame: av.VideoFrame) -> None:
        rgb = frame.to_ndarray(format="rgb24")
        hsv = cv2.cvtColor(cv2.resize(rgb, (320, 180), interpolation=cv2.INTER_LINEAR), cv2.COLOR_RGB2HSV)
        if self.last is not None and float(cv2.absdiff(hsv, self.last).mean()) > CUT:
            self.emit({"kind": "shot", "time": frame.time})
        self.last = hsv
        if frame.time >= self.next_analysis:
            self.next_analysis = frame.time + 1 / ANALYSIS_FPS - 1e-3
            faces = self.faces.detect(rgb)
            logits = [self.forensics.score(rgb, face) for face in faces if self.fits(rgb, face)]
            self.emit({"kind": "frame", "time": frame.time, "faces": faces, "logits": logits})

    @staticmethod
    def fits(rgb: np.ndarray, face: list[float]) -> bool:
        """As large as Polygraph asks for: its other reasons not to judge a face are left out here."""
        return 0.95 * (face[2] * rgb.shape[1] + face[3] * rgb.shape[0]) / 2 >= SMALLEST_FACE


class Audio:
    """Speech activity on every window; partials every 500 ms over the last 4 s, a final over it all at each pause."""

    def __init__(self, networks: pathlib.Path, emit):
        self.activity, self.recogniser, self.emit = VoiceActivity(networks), Recogniser(networks), emit
        self.resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        self.pending = np.zeros(0, np.float32)
        self.speech = np.zeros(0, np.float32)
        self.since_partial = self.quiet = self.samples = 0

    def push(self, frame: av.AudioFrame | None) -> None:
        for resampled in self.resampler.resample(frame):
            self.pending = np.concatenate([self.pending, resampled.to_ndarray()[0]])
        while len(self.pending) >= WINDOW:
            window, self.pending = self.pending[:WINDOW], self.pending[WINDOW:]
            self.window(window)

    def window(self, window: np.ndarray) -> None:
        self.samples += WINDOW
        spoken = self.activity.push(window) > 0.5
        if not spoken and len(self.speech) == 0:
            return
        self.speech = np.concatenate([self.speech, window])
        self.quiet = 0 if spoken else self.quiet + WINDOW
        self.since_partial += WINDOW
        if self.quiet >= PAUSE or len(self.speech) >= LONGEST:
            self.final()
        elif self.quiet == 0 and self.since_partial >= PARTIAL_EVERY:
            self.since_partial = 0
            self.transcribe(final=False)

    def final(self) -> None:
        self.transcribe(final=True)
        self.speech = np.zeros(0, np.float32)
        self.since_partial = self.quiet = 0

    def transcribe(self, final: bool) -> None:
        text = self.recogniser.transcribe(self.speech if final else self.speech[-PARTIAL_WINDOW:])
        self.emit({"kind": "transcript", "time": self.samples / RATE, "final": final, "text": text})

    def end(self) -> None:
        self.push(None)
        if len(self.speech):
            self.final()


def main(source: str, networks: pathlib.Path, events: pathlib.Path) -> None:
    """Analyses a file and writes one JSON object a line."""
    cv2.setNumThreads(1)
    with events.open("w") as out, av.open(source) as container:
        emit = lambda event: out.write(json.dumps(event) + "\n")  # noqa: E731
        video, audio = Video(networks, emit), Audio(networks, emit)
        for frame in container.decode(video=0, audio=0):
            (video if isinstance(frame, av.VideoFrame) else audio).push(frame)
        audio.end()
    runs = {
        "blazeface-back": video.faces.runs,
        "face-forensics": video.forensics.runs,
        "silero-vad": audio.activity.runs,
        "moonshine-tiny-encoder": audio.recogniser.runs,
    }
    print(json.dumps({"runs": runs, "tokens": audio.recogniser.tokens_said}))


if __name__ == "__main__":
    main(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]))
