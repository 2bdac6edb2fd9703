"""Recognises model files that are not ONNX by their first bytes, and says how each is converted."""

from collections.abc import Sequence

HEAD_BYTES = 4096

_SKLEARN = "a pickled Python object: convert it with skl2onnx.to_onnx (scikit-learn) first, and publish the .onnx file"
_TORCH = "a PyTorch or zip archive: export the model with torch.onnx.export first, and publish the .onnx file"
_LIGHTGBM = "a LightGBM model: convert it with onnxmltools.convert_lightgbm first, and publish the .onnx file"
_XGBOOST = "a JSON file, such as XGBoost saves: convert the model with onnxmltools.convert_xgboost first"
_KERAS = "an HDF5 file, such as Keras saves: convert the model with tf2onnx first, and publish the .onnx file"
_CATBOOST = "a CatBoost model: save it with save_model(..., format='onnx') instead, and publish that file"
_TABLE = "a table: `scoreline train` learns a model from it"

# The pickle protocols 2 to 5, and the compressions that joblib writes (zlib, gzip, bz2, xz, lzma).
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05", b"\x78\x01", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b",
            b"BZh", b"\xfd7zXZ", b"\x5d\x00\x00")  # fmt: skip
_MAGIC: Sequence[tuple[tuple[bytes, ...], str]] = (
    (_PICKLES, _SKLEARN),
    ((b"PK\x03\x04",), _TORCH),
    ((b"tree\n",), _LIGHTGBM),
    ((b"{",), _XGBOOST),
    ((b"\x89HDF",), _KERAS),
    ((b"CBM1",), _CATBOOST),
    ((b"PAR1",), _TABLE),
)


def other_format(head: bytes) -> str:
    """What a file is that begins with ``head``, and how to make ONNX of it; empty for bytes of no known format."""
    return next((f"it is {advice}" for magics, advice in _MAGIC if head.startswith(magics)), "")
