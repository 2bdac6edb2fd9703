"""A model of MLServer that runs an ONNX graph: ``mlserver start`` finds it by its model-settings.json."""

import onnxruntime as ort
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class OnnxModel(MLModel):  # type: ignore[misc]
    """``features`` in, ``score`` out."""

    async def load(self) -> bool:
        """Opens the file that the settings name."""
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        uri = self.settings.parameters.uri
        self._session = ort.InferenceSession(uri, options, providers=["CPUExecutionProvider"])
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Scores the rows of a call."""
        (scores,) = self._session.run(["score"], {"features": NumpyCodec.decode_input(payload.inputs[0])})
        return InferenceResponse(model_name=self.name, outputs=[NumpyCodec.encode_output("score", scores)])
