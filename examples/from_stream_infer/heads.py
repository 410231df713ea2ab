"""An algorithm as it was written for Stream Infer: not a line is changed, the import among them."""

import cv2
from stream_infer.algo import BaseAlgo


class HeadDetectionAlgo(BaseAlgo):
    def init(self, model_path="", min_score=0.7):
        self.detector = cv2.FaceDetectorYN.create(model_path, "", (320, 320), min_score)

    def run(self, frames):
        frame = frames[-1]
        self.detector.setInputSize((frame.shape[1], frame.shape[0]))
        _, found = self.detector.detect(frame)
        return [] if found is None else found[:, :4].tolist()
